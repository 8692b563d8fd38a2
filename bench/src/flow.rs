//! The authorization code flow with PKCE, as an application does it that logs people in itself.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::{
    failure::Failure,
    fixture::{Fixture, PERSON_SCOPE, PersonalClient, REDIRECT_URI},
    http::{Answer, Call, Connection},
};

/// What the token endpoint answers, as far as it is checked.
#[derive(Clone, Debug, Deserialize)]
pub struct Tokens {
    /// The access token.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: String,
    /// How long it lives.
    pub expires_in: u64,
    /// What it is good for.
    pub scope: Option<String>,
    /// The ID token.
    pub id_token: Option<String>,
    /// The refresh token.
    pub refresh_token: Option<String>,
}

/// Whether the person has to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// This client is new to them.
    Asked,
    /// They have agreed before.
    Remembered,
}

#[derive(Deserialize)]
struct AuthorizationRequest {
    id: Option<String>,
    state: String,
    redirect_to: Option<String>,
}

/// Runs it for a person.
pub async fn run(
    connection: &mut Connection,
    fixture: &Fixture,
    client: &PersonalClient,
    person: &str,
    consent: Consent,
) -> Result<Tokens, Failure> {
    let verifier = verifier();
    let code = code(connection, fixture, client, person, &verifier, consent).await?;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT_URI),
        ("client_id", &client.id),
        ("code_verifier", &verifier),
    ];
    let answer = connection.send(Call::form("/oauth2/token", &fields)).await?;
    let (answer, tokens) = tokens(answer)?;
    answer.must(tokens.id_token.is_some(), "there should be an ID token")?;
    answer.must(tokens.refresh_token.is_some(), "there should be a refresh token")?;
    Ok(tokens)
}

/// RFC 6749 §5.1: what every token response has.
pub fn tokens(answer: Answer) -> Result<(Answer, Tokens), Failure> {
    let answer = answer.expect(StatusCode::OK)?;
    let tokens: Tokens = answer.json()?;
    answer.must(tokens.token_type == "Bearer", "the token_type should be Bearer")?;
    answer.must(!tokens.access_token.is_empty() && tokens.expires_in > 0, "there should be an access token that lives")?;
    Ok((answer, tokens))
}

async fn code(
    connection: &mut Connection,
    fixture: &Fixture,
    client: &PersonalClient,
    person: &str,
    verifier: &str,
    consent: Consent,
) -> Result<String, Failure> {
    // The state has to come back as it went, so it need not differ between runs of the flow.
    let state = person;
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("client_id", &client.id)
        .append_pair("redirect_uri", REDIRECT_URI)
        .append_pair("scope", PERSON_SCOPE)
        .append_pair("state", state)
        .append_pair("code_challenge", &challenge(verifier))
        .append_pair("code_challenge_method", "S256")
        .finish();
    let body = json!({"query": query, "subject": {"id": person, "auth_time": fixture.auth_time, "claims": {"name": "A Person"}}});
    let call = Call::json("/v1/authorization-requests", &body).with(&fixture.consent_key);
    let answer = connection.send(call).await?.expect(StatusCode::CREATED)?;
    let request: AuthorizationRequest = answer.json()?;
    match consent {
        Consent::Remembered => redirected(&answer, request, &fixture.issuer, state),
        Consent::Asked => {
            let id = request.id.filter(|_| request.state == "awaiting_consent");
            let id = id.ok_or_else(|| answer.wrong("the state should be awaiting_consent"))?;
            let path = format!("/v1/authorization-requests/{id}/decision");
            let call = Call::json(path, &json!({"decision": "approve"})).with(&fixture.consent_key);
            let answer = connection.send(call).await?.expect(StatusCode::OK)?;
            let request = answer.json()?;
            redirected(&answer, request, &fixture.issuer, state)
        }
    }
}

/// RFC 6749 §4.1.2 and RFC 9207 §2: the code, the state as it was, and who answers.
fn redirected(answer: &Answer, request: AuthorizationRequest, issuer: &str, state: &str) -> Result<String, Failure> {
    answer.must(request.state == "completed", "the state should be completed")?;
    let url = request.redirect_to.and_then(|url| Url::parse(&url).ok()).ok_or_else(|| answer.wrong("redirect_to should be a URL"))?;
    answer.must(url.as_str().starts_with(REDIRECT_URI), "it should redirect to the client")?;
    let parameter = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value);
    answer.must(parameter("state").as_deref() == Some(state), "the state should be the client's")?;
    answer.must(parameter("iss").as_deref() == Some(issuer), "iss should be the issuer")?;
    parameter("code").map(Cow::into_owned).ok_or_else(|| answer.wrong("there should be a code"))
}

/// RFC 7636 §4.1: 32 random bytes, encoded.
fn verifier() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// RFC 7636 §4.2: S256.
fn challenge(verifier: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7636_appendix_b() {
        assert_eq!(challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn rfc7636_4_1_a_verifier_is_43_characters_and_never_the_same() {
        assert_eq!(verifier().len(), 43);
        assert_ne!(verifier(), verifier());
    }
}
