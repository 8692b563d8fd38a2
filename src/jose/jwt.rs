//! JWTs as compact JWS (RFC 7519, RFC 7515 §7.1).

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{SigningKey, VerificationAlgorithm, VerifyingKey, base64url, strict_json};

/// No JWT that is longer is looked at.
pub const MAX_JWT_LENGTH: usize = 16 * 1024;

/// The part of the header that is used. A key, or where to fetch one, is never taken from it (RFC 8725 §3.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtHeader {
    /// What it claims to be signed with.
    pub alg: VerificationAlgorithm,
    /// With which key.
    pub kid: Option<String>,
    /// What it is.
    pub typ: Option<String>,
}

/// A JWT of which nothing is proven yet.
pub struct UnverifiedJwt<'a> {
    header: JwtHeader,
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// Why a JWT is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Longer than any JWT has to be.
    #[error("the JWT is too long")]
    TooLong,
    /// Not three base64url parts with a JSON header.
    #[error("the JWT is malformed")]
    Malformed,
    /// It has extensions that must be understood, and none is.
    #[error("the JWT has critical extensions")]
    CriticalExtension,
    /// Signed with `none`, or with something that is not known here.
    #[error("the JWT's algorithm is not supported")]
    UnsupportedAlgorithm,
    /// Signed with something that is not allowed for this use or this key.
    #[error("the JWT's algorithm is not allowed")]
    AlgorithmNotAllowed,
    /// The signature is not the key's.
    #[error("the JWT's signature is not valid")]
    BadSignature,
    /// Rightly signed, but not a JSON object in which each name stands once.
    #[error("the JWT's claims are malformed")]
    MalformedClaims,
}

/// Makes a JWT. The claims must be a type that has a JSON form.
pub fn sign_jwt(key: &SigningKey, kid: &str, typ: Option<&str>, claims: &impl Serialize) -> String {
    let mut header = Map::new();
    header.insert("alg".into(), key.algorithm().as_str().into());
    header.insert("kid".into(), kid.into());
    header.extend(typ.map(|typ| ("typ".into(), typ.into())));
    let claims = serde_json::to_vec(claims).expect("claims have a JSON form");
    let mut jwt = base64url::encode(Value::Object(header).to_string());
    jwt.push('.');
    jwt.push_str(&base64url::encode(claims));
    let signature = base64url::encode(key.sign(jwt.as_bytes()));
    jwt.push('.');
    jwt.push_str(&signature);
    jwt
}

impl<'a> UnverifiedJwt<'a> {
    /// Takes a compact JWS apart, and refuses what no key could make good.
    pub fn parse(jwt: &'a str) -> Result<Self, JwtError> {
        if jwt.len() > MAX_JWT_LENGTH {
            return Err(JwtError::TooLong);
        }
        let (signed, signature) = jwt.rsplit_once('.').ok_or(JwtError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(JwtError::Malformed)?;
        // A further dot is no base64url character, so a JWE with its five parts ends here too.
        let [header, payload, signature] = [header, payload, signature].map(base64url::decode);
        let header = JwtHeader::parse(&header.ok_or(JwtError::Malformed)?)?;
        let payload = payload.ok_or(JwtError::Malformed)?;
        let signature = signature.ok_or(JwtError::Malformed)?;
        Ok(Self { header, signed, payload, signature })
    }

    /// The header. It tells which key to try, and proves nothing.
    pub fn header(&self) -> &JwtHeader {
        &self.header
    }

    /// Who the JWT says it is about (`sub`), to find the key that may prove it. It proves nothing.
    pub fn claimed_subject(&self) -> Option<String> {
        strict_json::object(&self.payload)?.get("sub")?.as_str().map(Into::into)
    }

    /// Who the JWT says made it (`iss`), to find the keys that may prove it. It proves nothing.
    pub fn claimed_issuer(&self) -> Option<String> {
        strict_json::object(&self.payload)?.get("iss")?.as_str().map(Into::into)
    }

    /// Proves the JWT by a key, and gives its claims. Times, issuer and audience are the caller's to check.
    pub fn verify(&self, key: &VerifyingKey, allowed: &[VerificationAlgorithm]) -> Result<Map<String, Value>, JwtError> {
        // RFC 8725 §3.1: the caller and the key say which algorithms there are; the header only picks among them.
        if !allowed.contains(&self.header.alg) || !key.accepts(self.header.alg) {
            return Err(JwtError::AlgorithmNotAllowed);
        }
        key.verify(self.header.alg, self.signed.as_bytes(), &self.signature).map_err(|_| JwtError::BadSignature)?;
        // RFC 7519 §4: claim names are unique.
        strict_json::object(&self.payload).ok_or(JwtError::MalformedClaims)
    }
}

impl JwtHeader {
    fn parse(json: &[u8]) -> Result<Self, JwtError> {
        // RFC 7515 §4: header parameter names are unique.
        let mut members = strict_json::object(json).ok_or(JwtError::Malformed)?;
        // RFC 7515 §4.1.11: who does not understand all that is listed refuses; we understand no extension.
        if members.contains_key("crit") {
            return Err(JwtError::CriticalExtension);
        }
        let alg = text(&mut members, "alg")?.ok_or(JwtError::Malformed)?;
        let alg = alg.parse().map_err(|_| JwtError::UnsupportedAlgorithm)?;
        Ok(Self { alg, kid: text(&mut members, "kid")?, typ: text(&mut members, "typ")? })
    }
}

fn text(members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, JwtError> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(JwtError::Malformed),
    }
}

impl fmt::Debug for UnverifiedJwt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedJwt").field("header", &self.header).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_ed25519_seed(&[3; 32])
    }

    fn public(key: &SigningKey) -> VerifyingKey {
        VerifyingKey::from_jwk(&key.public_jwk()).expect("a public key")
    }

    /// Signs any header over any payload.
    fn signed(header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", base64url::encode(header), base64url::encode(payload));
        format!("{signed}.{}", base64url::encode(key().sign(signed.as_bytes())))
    }

    fn refusal(jwt: &str) -> Option<JwtError> {
        match UnverifiedJwt::parse(jwt) {
            Ok(parsed) => parsed.verify(&public(&key()), &VerificationAlgorithm::ALL).err(),
            Err(error) => Some(error),
        }
    }

    #[test]
    fn what_is_signed_is_verified() {
        let jwt = sign_jwt(&key(), "k1", Some("at+jwt"), &json!({"sub": "s", "exp": 1}));
        let parsed = UnverifiedJwt::parse(&jwt).expect("a JWT");
        let expected = JwtHeader { alg: VerificationAlgorithm::EdDsa, kid: Some("k1".into()), typ: Some("at+jwt".into()) };
        assert_eq!(parsed.header(), &expected);
        assert_eq!(parsed.claimed_subject().as_deref(), Some("s"));
        let claims = parsed.verify(&public(&key()), &[VerificationAlgorithm::EdDsa]).expect("proven");
        assert_eq!(Value::Object(claims), json!({"sub": "s", "exp": 1}));
    }

    #[test]
    fn another_key_proves_nothing() {
        let jwt = sign_jwt(&key(), "k1", None, &json!({}));
        let other = public(&SigningKey::from_ed25519_seed(&[4; 32]));
        let parsed = UnverifiedJwt::parse(&jwt).expect("a JWT");
        assert_eq!(parsed.verify(&other, &VerificationAlgorithm::ALL), Err(JwtError::BadSignature));
    }

    #[test]
    fn rfc8725_3_1_the_caller_says_which_algorithms_are_allowed() {
        let jwt = sign_jwt(&key(), "k1", None, &json!({}));
        let parsed = UnverifiedJwt::parse(&jwt).expect("a JWT");
        assert_eq!(parsed.verify(&public(&key()), &[VerificationAlgorithm::Rs256]), Err(JwtError::AlgorithmNotAllowed));
        assert_eq!(parsed.verify(&public(&key()), &[]), Err(JwtError::AlgorithmNotAllowed));
    }

    #[test]
    fn rfc8725_3_1_the_algorithm_must_be_the_keys() {
        assert_eq!(refusal(&signed(r#"{"alg":"ES256"}"#, "{}")), Some(JwtError::AlgorithmNotAllowed));
        for alg in ["none", "HS256", "", "EDDSA"] {
            assert_eq!(refusal(&signed(&format!(r#"{{"alg":"{alg}"}}"#), "{}")), Some(JwtError::UnsupportedAlgorithm), "{alg}");
        }
        assert_eq!(refusal("eyJhbGciOiJub25lIn0.e30."), Some(JwtError::UnsupportedAlgorithm));
    }

    #[test]
    fn rfc7515_4_a_repeated_header_parameter_is_refused() {
        assert_eq!(refusal(&signed(r#"{"alg":"EdDSA","alg":"EdDSA"}"#, "{}")), Some(JwtError::Malformed));
        assert_eq!(refusal(&signed(r#"{"alg":"EdDSA","x":1,"x":1}"#, "{}")), Some(JwtError::Malformed));
    }

    #[test]
    fn rfc7515_4_1_11_critical_extensions_are_refused() {
        assert_eq!(refusal(&signed(r#"{"alg":"EdDSA","crit":["exp"],"exp":1}"#, "{}")), Some(JwtError::CriticalExtension));
        assert_eq!(refusal(&signed(r#"{"alg":"EdDSA","crit":[]}"#, "{}")), Some(JwtError::CriticalExtension));
    }

    #[test]
    fn rfc8725_3_10_a_key_in_the_header_is_not_used() {
        let attacker = SigningKey::from_ed25519_seed(&[9; 32]);
        let header = json!({"alg": "EdDSA", "jwk": attacker.public_jwk(), "jku": "https://evil.example/jwks"}).to_string();
        let signed = format!("{}.e30", base64url::encode(header));
        let jwt = format!("{signed}.{}", base64url::encode(attacker.sign(signed.as_bytes())));
        assert_eq!(refusal(&jwt), Some(JwtError::BadSignature));
    }

    #[test]
    fn rfc7519_4_a_repeated_claim_is_refused() {
        assert_eq!(refusal(&signed(r#"{"alg":"EdDSA"}"#, r#"{"sub":"a","sub":"b"}"#)), Some(JwtError::MalformedClaims));
        assert_eq!(refusal(&signed(r#"{"alg":"EdDSA"}"#, "[]")), Some(JwtError::MalformedClaims));
    }

    #[test]
    fn rfc7515_7_1_only_three_strict_parts_are_a_compact_jws() {
        let good = signed(r#"{"alg":"EdDSA"}"#, "{}");
        assert_eq!(refusal(&good), None);
        for jwt in ["", "a", "a.b", "..", "a.b.c.d.e", &format!("{good}="), &format!("{good}."), &format!(" {good}"), &format!("{good}\n")]
        {
            assert_eq!(refusal(jwt), Some(JwtError::Malformed), "{jwt:?}");
        }
        for header in ["[]", "{}", "{", r#"{"alg":1}"#, r#"{"alg":"EdDSA","kid":1}"#, r#"{"alg":"EdDSA","typ":null}"#] {
            assert_eq!(refusal(&signed(header, "{}")), Some(JwtError::Malformed), "{header}");
        }
    }

    #[test]
    fn a_jwt_that_is_too_long_is_not_looked_at() {
        assert_eq!(refusal(&"a".repeat(MAX_JWT_LENGTH + 1)), Some(JwtError::TooLong));
        assert_eq!(refusal(&"a".repeat(MAX_JWT_LENGTH)), Some(JwtError::Malformed));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,200}", header in ".{0,80}") {
            let _ = UnverifiedJwt::parse(&text);
            let _ = UnverifiedJwt::parse(&signed(&header, &text));
        }

        #[test]
        fn a_changed_character_is_noticed(place in 0_usize..1000, letter in "[A-Za-z0-9_-]") {
            let good = sign_jwt(&key(), "k1", None, &json!({"sub": "someone"}));
            let place = place % good.len();
            let mut bad = good.clone();
            bad.replace_range(place..=place, &letter);
            prop_assert_eq!(refusal(&bad).is_none(), bad == good);
        }
    }
}
