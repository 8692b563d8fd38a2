//! Protected resource metadata (RFC 9728), generated for each resource server.

use grantlog_core::{
    domain::ResourceServerId,
    jose::Algorithm,
    protocol::{AccessTokenFormat, ResourceServerSettings},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// The metadata of one resource server.
pub const PATH: &str = "/resource-servers/{id}/oauth-protected-resource";
/// How long clients may keep the document, in seconds.
const MAX_AGE: u64 = 300;

/// The metadata of a protected resource (RFC 9728 §2).
#[derive(Serialize, ToSchema)]
pub struct ProtectedResource {
    /// Its identifier: the audience of its tokens.
    #[schema(example = "https://notes.example.com/")]
    resource: String,
    /// Who issues tokens for it.
    #[schema(example = json!(["https://auth.example.com"]))]
    authorization_servers: [String; 1],
    /// The scopes that it understands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["notes.read", "notes.write"]))]
    scopes_supported: Vec<String>,
    /// How it takes tokens: in the header alone (RFC 6750 §2.1).
    #[schema(example = json!(["header"]))]
    bearer_methods_supported: [&'static str; 1],
    /// Its name, to show to people.
    resource_name: String,
    /// Where developers read about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_documentation: Option<String>,
    /// What its access tokens are signed with, when they are JWTs. A parameter of ours: RFC 9728's
    /// `resource_signing_alg_values_supported` is about responses that the resource itself signs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["EdDSA"]))]
    access_token_signing_alg_values_supported: Vec<Algorithm>,
}

impl ProtectedResource {
    fn of(app: &App, settings: &ResourceServerSettings) -> Self {
        let algorithms = match settings.access_token_format {
            AccessTokenFormat::Jwt => vec![settings.access_token_signing_alg],
            AccessTokenFormat::Opaque => Vec::new(),
        };
        Self {
            resource: settings.identifier.clone(),
            authorization_servers: [app.issuer().to_owned()],
            scopes_supported: settings.scopes.iter().map(ToString::to_string).collect(),
            bearer_methods_supported: ["header"],
            resource_name: settings.name.clone(),
            resource_documentation: settings.documentation.clone(),
            access_token_signing_alg_values_supported: algorithms,
        }
    }
}

/// Where the metadata of this resource server is.
pub fn url(issuer: &str, id: &ResourceServerId) -> String {
    format!("{issuer}{}", PATH.replace("{id}", id.as_str()))
}

/// The metadata of a resource server (RFC 9728).
///
/// For the resource server to serve at its own well-known URL, or to point to with `resource_metadata` in
/// `WWW-Authenticate`.
#[utoipa::path(get, path = PATH, tag = "metadata", operation_id = "protectedResourceMetadata", security(()), params(("id" = String, Path, description = "The resource server's id.")),
    responses((status = 200, description = "The metadata.", body = ProtectedResource), (status = "4XX", description = "The request is not valid.", body = ProblemBody)))]
pub async fn protected_resource(app: App, request: Request) -> Result<Response, Problem> {
    let view = app.live.resource_server(&request.id("id")?).ok_or_else(|| Problem::not_found("There is no such resource server."))?;
    Ok(reply::ok(&ProtectedResource::of(&app, &view.settings)).cache_for(MAX_AGE))
}
