//! A public key as JSON (RFC 7517) and its thumbprint (RFC 7638).

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::Value;

use super::base64url;

/// A public key as JSON (RFC 7517 §4). It can't hold a private one: reading refuses a JWK that carries private members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Received")]
pub struct Jwk {
    /// The key type: `OKP`, `EC`, `RSA`, or one that is not used here.
    pub kty: String,
    /// The curve (`OKP`, `EC`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// The public key (`OKP`) or its first coordinate (`EC`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// The second coordinate (`EC`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// The modulus (`RSA`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// The public exponent (`RSA`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// The only algorithm it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// What it is for: `sig` or `enc`.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub public_key_use: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// The operations it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_ops: Option<Vec<String>>,
}

/// Why a JWK is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// It carries the private half.
    #[error("a JWK must not carry private key members")]
    Private,
    /// It is a symmetric key.
    #[error("a symmetric key (kty oct) is no public key")]
    Symmetric,
    /// It is not JSON of this form.
    #[error("a JWK is malformed")]
    Malformed,
    /// It is of a kind, or for a purpose, that nothing here verifies with.
    #[error("a JWK's key type, curve, algorithm or use is not supported")]
    Unsupported,
    /// A value that makes up the key is missing, wrongly encoded, or is no key.
    #[error("a JWK does not hold a valid public key")]
    InvalidKey,
    /// An RSA modulus outside 2048 to 8192 bits.
    #[error("an RSA key must have 2048 to 8192 bits")]
    RsaSize,
}

/// A JWK as it arrives. Unknown members are ignored (RFC 7517 §4); those that hold secrets are known.
#[derive(Deserialize)]
struct Received {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    public_key_use: Option<String>,
    kid: Option<String>,
    key_ops: Option<Vec<String>>,
    // RFC 7518 §6.2.2, §6.3.2, §6.4.1 and RFC 8037 §2.
    d: Option<IgnoredAny>,
    p: Option<IgnoredAny>,
    q: Option<IgnoredAny>,
    dp: Option<IgnoredAny>,
    dq: Option<IgnoredAny>,
    qi: Option<IgnoredAny>,
    oth: Option<IgnoredAny>,
    k: Option<IgnoredAny>,
}

impl TryFrom<Received> for Jwk {
    type Error = JwkError;
    fn try_from(jwk: Received) -> Result<Self, JwkError> {
        if jwk.kty == "oct" {
            return Err(JwkError::Symmetric);
        }
        if [jwk.d, jwk.p, jwk.q, jwk.dp, jwk.dq, jwk.qi, jwk.oth, jwk.k].iter().any(Option::is_some) {
            return Err(JwkError::Private);
        }
        Ok(Self {
            kty: jwk.kty,
            crv: jwk.crv,
            x: jwk.x,
            y: jwk.y,
            n: jwk.n,
            e: jwk.e,
            alg: jwk.alg,
            public_key_use: jwk.public_key_use,
            kid: jwk.kid,
            key_ops: jwk.key_ops,
        })
    }
}

impl Jwk {
    /// Reads a JWK. The error tells more than serde's.
    pub fn from_value(value: &Value) -> Result<Self, JwkError> {
        Received::deserialize(value).map_err(|_| JwkError::Malformed)?.try_into()
    }

    /// The JWK as JSON.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).expect("a JWK is an object of strings")
    }

    /// An Ed25519 key (RFC 8037 §2).
    pub(crate) fn ed25519(x: &[u8]) -> Self {
        Self { crv: Some("Ed25519".into()), x: Some(base64url::encode(x)), ..Self::bare("OKP") }
    }

    /// A P-256 key (RFC 7518 §6.2.1).
    pub(crate) fn p256(x: &[u8], y: &[u8]) -> Self {
        Self { crv: Some("P-256".into()), x: Some(base64url::encode(x)), y: Some(base64url::encode(y)), ..Self::bare("EC") }
    }

    /// An RSA key (RFC 7518 §6.3.1).
    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Self {
        Self { n: Some(base64url::encode(n)), e: Some(base64url::encode(e)), ..Self::bare("RSA") }
    }

    fn bare(kty: &str) -> Self {
        Self { kty: kty.into(), crv: None, x: None, y: None, n: None, e: None, alg: None, public_key_use: None, kid: None, key_ops: None }
    }

    /// The SHA-256 thumbprint, base64url (RFC 7638 §3); None when a member that makes up the key is missing or the key
    /// type is not used here.
    pub fn thumbprint(&self) -> Option<String> {
        // RFC 7638 §3.2 and RFC 8037 §2: only the required members, in lexicographic order, without white space.
        let members: Vec<(&str, &str)> = match self.kty.as_str() {
            "OKP" => vec![("crv", self.crv.as_deref()?), ("kty", "OKP"), ("x", self.x.as_deref()?)],
            "EC" => vec![("crv", self.crv.as_deref()?), ("kty", "EC"), ("x", self.x.as_deref()?), ("y", self.y.as_deref()?)],
            "RSA" => vec![("e", self.e.as_deref()?), ("kty", "RSA"), ("n", self.n.as_deref()?)],
            _ => return None,
        };
        let written: Vec<String> = members.into_iter().map(|(name, value)| format!("\"{name}\":{}", Value::from(value))).collect();
        Some(base64url::encode(digest::digest(&digest::SHA256, format!("{{{}}}", written.join(",")).as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rfc7517_4_unknown_members_are_ignored() {
        let jwk = Jwk::from_value(&json!({"kty": "OKP", "crv": "Ed25519", "x": "AA", "x5u": "https://evil.example", "z": 1}));
        assert_eq!(jwk.expect("a public key").to_value(), json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"}));
    }

    #[test]
    fn rfc7518_6_2_2_a_key_with_private_members_is_refused() {
        for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            let mut jwk = json!({"kty": "RSA", "n": "AQ", "e": "AQAB"});
            jwk[member] = json!("AA");
            assert_eq!(Jwk::from_value(&jwk), Err(JwkError::Private), "{member}");
            assert!(serde_json::from_value::<Jwk>(jwk).is_err(), "{member}");
        }
    }

    #[test]
    fn rfc7518_6_4_a_symmetric_key_is_refused() {
        assert_eq!(Jwk::from_value(&json!({"kty": "oct", "k": "AA"})), Err(JwkError::Symmetric));
        assert_eq!(Jwk::from_value(&json!({"kty": "oct"})), Err(JwkError::Symmetric));
    }

    #[test]
    fn a_value_of_another_form_is_malformed() {
        for value in [json!("x"), json!([]), json!({}), json!({"kty": 1}), json!({"kty": "EC", "x": 1})] {
            assert_eq!(Jwk::from_value(&value), Err(JwkError::Malformed), "{value}");
        }
    }

    #[test]
    fn rfc7638_3_2_only_required_members_enter_the_thumbprint() {
        let bare = Jwk::ed25519(&[7; 32]);
        let named = Jwk { kid: Some("k".into()), alg: Some("EdDSA".into()), public_key_use: Some("sig".into()), ..bare.clone() };
        assert_eq!(bare.thumbprint(), named.thumbprint());
        assert_eq!(Jwk::bare("OKP").thumbprint(), None);
        assert_eq!(Jwk::bare("AKP").thumbprint(), None);
    }
}
