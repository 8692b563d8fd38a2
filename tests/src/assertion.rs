use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use grantlog_core::jose::{SigningKey, sign_jwt};
use serde_json::{Value, json};

use crate::{Answer, TestServer, merged, text};

/// What `client_assertion_type` must be (RFC 7523 §2.2).
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A key pair that a client authenticates with.
pub struct ClientKey(SigningKey);

impl ClientKey {
    /// The Ed25519 key of a seed.
    pub fn of(seed: u8) -> Self {
        Self(SigningKey::from_ed25519_seed(&[seed; 32]))
    }

    /// Its name.
    pub fn kid(&self) -> &str {
        self.0.kid()
    }

    /// The public half, with its name.
    pub fn jwk(&self) -> Value {
        merged(self.0.public_jwk().to_value(), json!({"kid": self.kid()}))
    }

    /// A JWT of these claims.
    pub fn sign(&self, kid: &str, claims: &Value) -> String {
        sign_jwt(&self.0, kid, Some("JWT"), claims)
    }

    /// A JWT of this type and these claims.
    pub fn sign_as(&self, typ: &str, kid: &str, claims: &Value) -> String {
        sign_jwt(&self.0, kid, Some(typ), claims)
    }
}

/// A JWT that nobody signed.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(header), part(claims))
}

/// A JWT with this header, authenticated by HMAC with a key that is no secret: algorithm confusion (RFC 8725 §2.1).
pub fn hmac_signed(header: &Value, claims: &Value, public: &[u8]) -> String {
    let jwt = unsigned(header, claims);
    let signed = jwt.trim_end_matches('.');
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, public), signed.as_bytes());
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag))
}

impl TestServer {
    /// A machine client that authenticates with this key.
    pub async fn client_with_key(&self, key: &ClientKey, members: Value) -> Value {
        let method = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.jwk()]}});
        self.machine_client(merged(method, members)).await
    }

    /// The claims of a good assertion of this client, with these in place of some; null leaves one out.
    pub fn assertion_claims(&self, client: &Value, members: Value) -> Value {
        let (id, now) = (text(client, "client_id"), self.now().as_seconds());
        let good = json!({"iss": id, "sub": id, "aud": self.issuer(), "iat": now, "exp": now + 60, "jti": "c1a9"});
        merged(good, members)
    }

    /// Asks for a machine token with a client assertion.
    pub async fn token_by_assertion(&self, assertion: &str) -> Answer {
        let fields = [("grant_type", "client_credentials"), ("client_assertion_type", JWT_BEARER), ("client_assertion", assertion)];
        self.post_form("/oauth2/token", None, &fields).await
    }
}
