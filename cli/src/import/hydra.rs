//! Clients as Ory Hydra tells them (`GET /admin/clients`), or keeps them: then with the hash of the secret.

use grantlog_core::{
    domain::Seconds,
    protocol::{AccessTokenFormat, ClientAuthenticationMethod, ClientType},
};
use serde_json::{Value, json};

use super::{
    draft::Draft,
    members::{Members, go_duration},
};

/// Reads an entry.
pub fn read(members: &mut Members) -> Draft {
    let mut draft = Draft { client_id: members.text("client_id"), ..Draft::default() };
    let grant_types = members.texts("grant_types").unwrap_or_else(|| vec!["authorization_code".to_owned()]);
    let for_itself = grant_types == ["client_credentials"];
    let first_party = members.flag("skip_consent") == Some(true);
    let client_type = match (for_itself, first_party) {
        (true, _) => ClientType::Machine,
        (false, true) => ClientType::FirstParty,
        (false, false) => ClientType::ThirdParty,
    };
    let method = authentication(members);
    let input = &mut draft.input;
    input.client_type = Some(client_type);
    input.token_endpoint_auth_method = method;
    input.client_name = members.text("client_name");
    input.client_uri = members.text("client_uri");
    input.logo_uri = members.text("logo_uri");
    input.policy_uri = members.text("policy_uri");
    input.tos_uri = members.text("tos_uri");
    input.grant_types = Some(super::grant_types(members, client_type, method == Some(ClientAuthenticationMethod::None), Some(grant_types)));
    if client_type == ClientType::Machine {
        if members.value("redirect_uris").is_some() {
            members.ignore("redirect_uris: a machine client is never redirected to");
        }
    } else {
        input.redirect_uris = members.texts("redirect_uris");
    }
    input.scope = members.text("scope").map(|scope| scope_of(&scope));
    input.resources = members.texts("audience");
    input.jwks = keys(members, method);
    input.access_token_format = match members.text("access_token_strategy").as_deref() {
        Some("jwt") => Some(AccessTokenFormat::Jwt),
        Some("opaque") => Some(AccessTokenFormat::Opaque),
        Some(other) => {
            members.refuse(format!("access_token_strategy {other} has no counterpart"));
            None
        }
        None => None,
    };
    lifetimes(members, client_type, &mut draft);
    members.expect("response_types", &[json!(["code"])]);
    members.expect("subject_type", &[json!("public")]);
    members.expect("userinfo_signed_response_alg", &[json!("none")]);
    members.expect("client_secret_expires_at", &[json!(0)]);
    for unset in ["frontchannel_logout_session_required", "backchannel_logout_session_required", "skip_logout_consent"] {
        members.expect(unset, &[Value::Bool(false)]);
    }
    draft.take_secret(members, "client_secret");
    draft
}

fn authentication(members: &mut Members) -> Option<ClientAuthenticationMethod> {
    match members.text("token_endpoint_auth_method").as_deref() {
        Some("none") => Some(ClientAuthenticationMethod::None),
        Some("client_secret_basic") | None => Some(ClientAuthenticationMethod::ClientSecretBasic),
        Some("client_secret_post") => Some(ClientAuthenticationMethod::ClientSecretPost),
        Some("private_key_jwt") => Some(ClientAuthenticationMethod::PrivateKeyJwt),
        Some(other) => {
            members.refuse(format!("token_endpoint_auth_method {other} has no counterpart"));
            None
        }
    }
}

/// Hydra takes `offline` for `offline_access`.
fn scope_of(text: &str) -> String {
    let mut scopes: Vec<&str> = Vec::new();
    for scope in text.split_ascii_whitespace().map(|scope| if scope == "offline" { "offline_access" } else { scope }) {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    scopes.join(" ")
}

fn keys(members: &mut Members, method: Option<ClientAuthenticationMethod>) -> Option<Value> {
    let keys = members.value("jwks").filter(|keys| keys["keys"] != json!([]));
    let in_use = method == Some(ClientAuthenticationMethod::PrivateKeyJwt);
    if keys.is_some() && !in_use {
        members.ignore("jwks: the client does not authenticate with keys");
    }
    keys.filter(|_| in_use)
}

fn lifetimes(members: &mut Members, client_type: ClientType, draft: &mut Draft) {
    let (access, refresh): (&str, &[&str]) = if client_type == ClientType::Machine {
        ("client_credentials_grant_access_token_lifespan", &[])
    } else {
        (
            "authorization_code_grant_access_token_lifespan",
            &["refresh_token_grant_refresh_token_lifespan", "authorization_code_grant_refresh_token_lifespan"],
        )
    };
    draft.input.access_token_lifetime = lifespan(members, access);
    for name in refresh {
        let Some(lifetime) = lifespan(members, name) else { continue };
        match draft.input.refresh_token_lifetime {
            None => draft.input.refresh_token_lifetime = Some(lifetime),
            Some(own) if own == lifetime => {}
            Some(_) => members.ignore(format!("{name}: refresh tokens of a client have one lifetime")),
        }
    }
}

fn lifespan(members: &mut Members, name: &str) -> Option<Seconds> {
    let text = members.text(name)?;
    let lifetime = go_duration(&text);
    if lifetime.is_none() {
        members.refuse(format!("{name} is no duration: {text}"));
    }
    lifetime
}
