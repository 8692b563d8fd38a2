//! Look at an authorization request.

use super::{
    authorization_id,
    caller::{Caller, in_header},
    refused,
    resource::AuthorizationRequest,
};
use crate::{
    app::{App, positioned},
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// One authorization request.
pub const READ: &str = "/v1/authorization-requests/{id}";

/// Look at an authorization request.
///
/// A page without a backend sends what it keeps in its browser in the header `Grantlog-Browser-Binding`.
#[utoipa::path(get, path = READ, tag = "authorization requests", operation_id = "readAuthorizationRequest",
    params(("id" = String, Path, description = "The id of the request.", example = "01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10"),
        ("Grantlog-Browser-Binding" = Option<String>, Header, description = "From a page: what was given when the request was taken in.")),
    security(("ApiKey" = ["admin"]), ("ApiKey" = ["consent"]), ("TrustedToken" = [])),
    responses(
        (status = 200, description = "The request as it stands.", body = AuthorizationRequest),
        (status = "4XX", description = "The call is not valid.", body = ProblemBody),
        (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn read(app: App, request: Request) -> Result<Response, Problem> {
    let (token, context) = Caller::known(&app, &request).await?;
    app.wait_for_min_position(&request).await?;
    let id = authorization_id(&request)?;
    let view = match token {
        Some(token) => app.authority.authorization_for_page(&context, id, &token, in_header(&request)?).await,
        None => app.authority.authorization(&context, id).await,
    };
    match view {
        Ok(view) => Ok(positioned(reply::ok(&AuthorizationRequest::of(&app, &view)), &context)),
        Err(error) => Err(refused(&app, &context, None, error).await),
    }
}
