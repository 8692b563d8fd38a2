//! Look at an authorization request.

use super::{ROLES, authorization_id, refused, resource::AuthorizationRequest};
use crate::{
    app::{App, acting_as, positioned},
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// One authorization request.
pub const READ: &str = "/v1/authorization-requests/{id}";

/// Look at an authorization request.
#[utoipa::path(get, path = READ, tag = "authorization requests", operation_id = "readAuthorizationRequest",
    params(("id" = String, Path, description = "The id of the request.", example = "01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10")), security(("ApiKey" = ["admin"]), ("ApiKey" = ["consent"])),
    responses(
        (status = 200, description = "The request as it stands.", body = AuthorizationRequest),
        (status = "4XX", description = "The call is not valid.", body = ProblemBody),
        (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn read(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ROLES).await?;
    app.wait_for_min_position(&request).await?;
    let id = authorization_id(&request)?;
    let context = acting_as(&key, &request);
    match app.authority.authorization(&context, id).await {
        Ok(view) => Ok(positioned(reply::ok(&AuthorizationRequest::of(&app, &view)), &context)),
        Err(error) => Err(refused(&app, &context, None, error).await),
    }
}
