//! OAuth 2.1 and OpenID Connect as the demo's clients speak it: what a library would do for you, written out to be read.

use reqwest::RequestBuilder;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use crate::web::{base64url, from_base64url, now, random, same_secret, sha256};

/// A client as it is registered at an authorization server.
#[derive(Clone)]
pub struct OAuth {
    pub http: reqwest::Client,
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Option<String>,
    pub redirect_uri: String,
    /// The resource server that its tokens are for (RFC 8707); none: whatever the server thinks best.
    pub resource: Option<String>,
}

/// The parts of the server's metadata (RFC 8414) that these clients use.
#[derive(Deserialize)]
pub struct Metadata {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    pub registration_endpoint: Option<Url>,
    #[serde(default)]
    pub client_id_metadata_document_supported: bool,
}

/// What must be remembered between leaving for the server and coming back.
#[derive(Clone)]
pub struct Attempt {
    pub state: String,
    nonce: String,
    code_verifier: String,
}

/// What the token endpoint answered.
#[derive(Clone, Deserialize)]
pub struct Tokens {
    pub access_token: String,
    pub expires_in: Option<u64>,
    pub refresh_token: Option<String>,
    pub id_token: Option<String>,
    pub scope: Option<String>,
}

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
pub enum OAuthError {
    /// The server said no, with an error code (RFC 6749 §4.1.2.1, §5.2).
    #[error("{error}")]
    Answered { error: String, description: Option<String> },
    /// The answer is not to be trusted.
    #[error("{0}")]
    Untrusted(&'static str),
    /// The server cannot be reached, or makes no sense.
    #[error("the authorization server cannot be reached: {0}")]
    Unreachable(#[from] reqwest::Error),
}

impl OAuth {
    /// Where to send the browser to ask for this scope, and what to remember meanwhile.
    pub async fn start(&self, scope: &str) -> Result<(Url, Attempt), OAuthError> {
        let mut url = self.metadata().await?.authorization_endpoint;
        let attempt = Attempt { state: random(), nonce: random(), code_verifier: random() };
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", scope)
            // The answer must be to a question of this very browser (RFC 6749 §10.12).
            .append_pair("state", &attempt.state)
            // The ID token must be for this very login (OpenID Connect Core §3.1.2.1).
            .append_pair("nonce", &attempt.nonce)
            // Only who asked can redeem the code (RFC 7636 §4.2, §4.3).
            .append_pair("code_challenge", &base64url(&sha256(&attempt.code_verifier)))
            .append_pair("code_challenge_method", "S256");
        if let Some(resource) = &self.resource {
            url.query_pairs_mut().append_pair("resource", resource);
        }
        Ok((url, attempt))
    }

    /// RFC 9207 §2.4: the answer must come from the server that was asked.
    pub fn check_issuer(&self, iss: Option<&str>) -> Result<(), OAuthError> {
        if iss == Some(self.issuer.as_str()) {
            Ok(())
        } else {
            Err(OAuthError::Untrusted("The answer came from another server than the one that was asked."))
        }
    }

    /// Turn the code into tokens (RFC 6749 §4.1.3).
    pub async fn redeem(&self, code: &str, attempt: &Attempt) -> Result<Tokens, OAuthError> {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("code_verifier", attempt.code_verifier.as_str()),
        ];
        form.extend(self.resource.as_deref().map(|resource| ("resource", resource)));
        let tokens = self.ask_for_tokens(&form).await?;
        if let Some(id_token) = &tokens.id_token {
            self.check_id_token(id_token, &attempt.nonce)?;
        }
        Ok(tokens)
    }

    /// Turn the refresh token into fresh tokens (RFC 6749 §6). The old refresh token is used up.
    pub async fn refresh(&self, tokens: &Tokens) -> Result<Tokens, OAuthError> {
        let old = tokens.refresh_token.as_deref().ok_or(OAuthError::Untrusted("There is no refresh token."))?;
        let mut fresh = self.ask_for_tokens(&[("grant_type", "refresh_token"), ("refresh_token", old)]).await?;
        // §6: a new refresh token may come, and what does not come stays as it was.
        fresh.refresh_token = fresh.refresh_token.or_else(|| tokens.refresh_token.clone());
        fresh.id_token = fresh.id_token.or_else(|| tokens.id_token.clone());
        fresh.scope = fresh.scope.or_else(|| tokens.scope.clone());
        Ok(fresh)
    }

    /// A token for the client itself (RFC 6749 §4.4).
    pub async fn client_credentials(&self, scope: &str) -> Result<Tokens, OAuthError> {
        let mut form = vec![("grant_type", "client_credentials"), ("scope", scope)];
        form.extend(self.resource.as_deref().map(|resource| ("resource", resource)));
        self.ask_for_tokens(&form).await
    }

    async fn metadata(&self) -> Result<Metadata, OAuthError> {
        metadata(&self.http, &self.issuer).await
    }

    async fn ask_for_tokens(&self, form: &[(&str, &str)]) -> Result<Tokens, OAuthError> {
        #[derive(Deserialize)]
        struct Refused {
            error: String,
            error_description: Option<String>,
        }
        let endpoint = self.metadata().await?.token_endpoint;
        let answer = self.authenticated(self.http.post(endpoint), form).send().await?;
        if answer.status().is_success() {
            return Ok(answer.json().await?);
        }
        let refused: Refused = answer.json().await?;
        Err(OAuthError::Answered { error: refused.error, description: refused.error_description })
    }

    /// A confidential client sends its secret as HTTP Basic, a public one just says which it is.
    fn authenticated(&self, call: RequestBuilder, form: &[(&str, &str)]) -> RequestBuilder {
        // RFC 6749 §2.3.1: both halves are form-encoded first, or a colon in the id would shift the boundary.
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        if let Some(secret) = &self.client_secret {
            return call.basic_auth(encode(&self.client_id), Some(encode(secret))).form(form);
        }
        let mut form = form.to_vec();
        form.push(("client_id", &self.client_id));
        call.form(&form)
    }

    /// OpenID Connect Core §3.1.3.7, without the signature: the token came straight from the token endpoint, over a
    /// connection of our own (number 6). Real clients use a library, and TLS, and check the signature all the same.
    fn check_id_token(&self, id_token: &str, nonce: &str) -> Result<(), OAuthError> {
        let claims = claims(id_token).ok_or(OAuthError::Untrusted("The ID token cannot be read."))?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        let for_us = match claims.get("aud") {
            Some(Value::String(audience)) => *audience == self.client_id,
            Some(Value::Array(audiences)) => audiences.iter().any(|audience| *audience == self.client_id),
            _ => false,
        };
        if text("iss") != self.issuer {
            Err(OAuthError::Untrusted("The ID token is from another issuer."))
        } else if !for_us {
            Err(OAuthError::Untrusted("The ID token is meant for another client."))
        } else if claims.get("exp").and_then(Value::as_u64).is_none_or(|exp| exp <= now()) {
            Err(OAuthError::Untrusted("The ID token has expired."))
        } else if !same_secret(text("nonce"), nonce) {
            Err(OAuthError::Untrusted("The ID token belongs to another login."))
        } else {
            Ok(())
        }
    }
}

/// Reads the metadata of an authorization server.
pub async fn metadata(http: &reqwest::Client, issuer: &str) -> Result<Metadata, OAuthError> {
    let url = format!("{issuer}/.well-known/oauth-authorization-server");
    let metadata: Metadata = http.get(url).send().await?.error_for_status()?.json().await?;
    // RFC 8414 §3.3: metadata of another issuer must not be used.
    if metadata.issuer == issuer { Ok(metadata) } else { Err(OAuthError::Untrusted("The metadata is another server's.")) }
}

/// The claims inside a JWT, to look at; none when it is not one.
pub fn claims(jwt: &str) -> Option<Map<String, Value>> {
    let payload = jwt.split('.').nth(1)?;
    serde_json::from_slice(&from_base64url(payload)?).ok()
}
