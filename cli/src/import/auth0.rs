//! Clients as the Management API of Auth0 tells them (`GET /api/v2/clients`).

use grantlog_core::protocol::{ClientAuthenticationMethod, ClientType, GrantType};
use serde_json::{Value, json};

use super::{draft::Draft, members::Members};

/// What a client that acts for people may ask Auth0 for without being registered for it.
const USUAL_SCOPE: &str = "openid profile email";

/// Reads an entry.
pub fn read(members: &mut Members) -> Draft {
    let mut draft = Draft { client_id: members.text("client_id"), ..Draft::default() };
    if members.flag("global") == Some(true) {
        members.refuse("global is true: it stands for the tenant's settings and is no client");
    }
    let grant_types = members.texts("grant_types");
    let app_type = members.text("app_type");
    let client_type = client_type(members, app_type.as_deref(), grant_types.as_deref());
    let method = authentication(members, app_type.as_deref());
    let public = method == Some(ClientAuthenticationMethod::None);
    let input = &mut draft.input;
    input.client_type = Some(client_type);
    input.token_endpoint_auth_method = method;
    input.client_name = members.text("name");
    input.logo_uri = members.text("logo_uri");
    input.grant_types = Some(super::grant_types(members, client_type, public, grant_types));
    if client_type == ClientType::Machine {
        if members.value("callbacks").is_some() {
            members.ignore("callbacks: a machine client is never redirected to");
        }
    } else {
        input.redirect_uris = members.texts("callbacks");
        let refreshes = input.grant_types.iter().flatten().any(|grant_type| *grant_type == GrantType::RefreshToken);
        input.scope = Some(format!("{USUAL_SCOPE}{}", if refreshes { " offline_access" } else { "" }));
    }
    tokens(members, &mut draft);
    draft.take_secret(members, "client_secret");
    draft
}

fn client_type(members: &mut Members, app_type: Option<&str>, grant_types: Option<&[String]>) -> ClientType {
    let first_party = members.flag("is_first_party");
    let for_itself = grant_types.is_some_and(|grant_types| grant_types == ["client_credentials"]);
    match app_type {
        Some("non_interactive") => return ClientType::Machine,
        None if for_itself => return ClientType::Machine,
        Some("regular_web" | "spa" | "native") | None => {}
        Some(other) => members.refuse(format!("app_type {other} has no counterpart")),
    }
    if first_party == Some(true) { ClientType::FirstParty } else { ClientType::ThirdParty }
}

/// Auth0 takes `client_secret_post` for granted when nothing is said, and no secret of what runs at its user's.
fn authentication(members: &mut Members, app_type: Option<&str>) -> Option<ClientAuthenticationMethod> {
    if let Some(methods) = members.value("client_authentication_methods") {
        let names: Vec<_> = methods.as_object().into_iter().flat_map(|methods| methods.keys().cloned()).collect();
        members.refuse(format!(
            "client_authentication_methods names {}, whose keys are not exported: register the client with its jwks",
            names.join(", ")
        ));
        return None;
    }
    match members.text("token_endpoint_auth_method").as_deref() {
        Some("none") => Some(ClientAuthenticationMethod::None),
        Some("client_secret_basic") => Some(ClientAuthenticationMethod::ClientSecretBasic),
        Some("client_secret_post") => Some(ClientAuthenticationMethod::ClientSecretPost),
        Some(other) => {
            members.refuse(format!("token_endpoint_auth_method {other} has no counterpart"));
            None
        }
        None if matches!(app_type, Some("spa" | "native")) => Some(ClientAuthenticationMethod::None),
        None => Some(ClientAuthenticationMethod::ClientSecretPost),
    }
}

fn tokens(members: &mut Members, draft: &mut Draft) {
    if let Some(mut jwt) = members.object("jwt_configuration") {
        // The lifetime there is that of ID tokens, which is a setting of the whole server here.
        match jwt.text("alg").as_deref() {
            Some("RS256") | None => {}
            Some(other) => jwt.ignore(format!("alg: {other}, ID tokens are signed with RS256")),
        }
        jwt.expect("secret_encoded", &[json!(false), json!(true)]);
        members.put_back("jwt_configuration", jwt);
    }
    if let Some(mut refresh) = members.object("refresh_token") {
        // Refresh tokens always rotate here, and live for as long as they are used.
        refresh.expect("rotation_type", &[json!("rotating")]);
        refresh.expect("expiration_type", &[json!("expiring")]);
        draft.input.refresh_grace = refresh.seconds("leeway").filter(|leeway| leeway.0 > 0);
        let never_idle = refresh.flag("infinite_idle_token_lifetime") == Some(true);
        let idle = refresh.seconds("idle_token_lifetime");
        draft.input.refresh_token_lifetime = idle.filter(|_| !never_idle);
        if never_idle {
            refresh.ignore("infinite_idle_token_lifetime: an unused refresh token always ends");
        }
        if refresh.flag("infinite_token_lifetime") == Some(true) {
            refresh.value("token_lifetime");
        }
        members.put_back("refresh_token", refresh);
    }
    members.expect("oidc_conformant", &[Value::Bool(true)]);
}
