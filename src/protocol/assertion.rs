//! The claims of client assertions (RFC 7523 §3). The signature is checked elsewhere, before.

use serde_json::{Map, Value};

use super::OAuthError;
use crate::domain::{ClientId, Seconds, Timestamp};

/// How far the client's clock may be ahead of ours. FAPI 2.0 §5.3.2.1 wants 10 s accepted and more than 60 s refused.
pub const ASSERTION_CLOCK_SKEW: Seconds = Seconds(30);
/// How long an assertion may live; its `jti` is kept for that long.
pub const MAX_ASSERTION_LIFETIME: Seconds = Seconds(3600);
/// The longest `jti`, in bytes.
pub const MAX_JTI_LENGTH: usize = 256;

/// What an assertion is held against.
#[derive(Clone, Copy, Debug)]
pub struct AssertionRules<'a> {
    /// The client whose key signed it.
    pub client_id: &'a ClientId,
    /// Our issuer identifier.
    pub issuer: &'a str,
    /// The URL of our token endpoint.
    pub token_endpoint: &'a str,
    /// Whether the client may name the token endpoint as audience, beside the issuer.
    pub token_endpoint_as_audience: bool,
}

/// What is left to do with a sound assertion: to see that its `jti` was not used before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedAssertion {
    /// Its unique id.
    pub jti: String,
    /// Until when it could be used again.
    pub expires_at: Timestamp,
}

/// What is wrong with an assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// RFC 7523 §3, 1.
    #[error("iss of the client assertion must be the client_id")]
    Issuer,
    /// RFC 7523 §3, 2.
    #[error("sub of the client assertion must be the client_id")]
    Subject,
    /// RFC 7523 §3, 3.
    #[error("aud of the client assertion must be the issuer identifier, as a single string")]
    Audience,
    /// RFC 7523 §3, 4.
    #[error("exp of the client assertion is missing or not a number")]
    ExpiryMissing,
    /// RFC 7523 §3, 4.
    #[error("the client assertion has expired")]
    Expired,
    /// RFC 7523 §3, 4: a server may refuse a life that is unreasonably long.
    #[error("the client assertion must not live for more than an hour")]
    LivesTooLong,
    /// RFC 7523 §3, 5.
    #[error("nbf of the client assertion is not a number or lies in the future")]
    NotBefore,
    /// RFC 7523 §3, 6.
    #[error("iat of the client assertion is not a number or lies in the future")]
    IssuedAt,
    /// RFC 7523 §3, 7; OIDC Core §9 demands it.
    #[error("jti of the client assertion must be a text of 1 to 256 bytes")]
    Jti,
}

impl From<AssertionError> for OAuthError {
    /// RFC 7521 §4.2.1: an invalid assertion is `invalid_client`.
    fn from(error: AssertionError) -> Self {
        Self::invalid_client(error.to_string())
    }
}

/// Checks the claims of an assertion whose signature was found good.
pub fn check_assertion(claims: &Map<String, Value>, rules: AssertionRules<'_>, now: Timestamp) -> Result<CheckedAssertion, AssertionError> {
    let client_id = Some(rules.client_id.as_str());
    if text(claims, "iss") != client_id {
        return Err(AssertionError::Issuer);
    }
    if text(claims, "sub") != client_id {
        return Err(AssertionError::Subject);
    }
    check_audience(claims, rules)?;
    let expires_at = check_times(claims, now.as_seconds())?;
    let jti = text(claims, "jti").filter(|jti| !jti.is_empty() && jti.len() <= MAX_JTI_LENGTH).ok_or(AssertionError::Jti)?;
    Ok(CheckedAssertion { jti: jti.to_owned(), expires_at: Timestamp::from_seconds(expires_at) })
}

/// RFC 7523 §3, 3, as draft-ietf-oauth-rfc7523bis narrows it: with a list, or with any other URL of ours, an
/// assertion meant for a malicious server could be used at this one.
fn check_audience(claims: &Map<String, Value>, rules: AssertionRules<'_>) -> Result<(), AssertionError> {
    let audience = text(claims, "aud").ok_or(AssertionError::Audience)?;
    let is_us = audience == rules.issuer || (rules.token_endpoint_as_audience && audience == rules.token_endpoint);
    if is_us { Ok(()) } else { Err(AssertionError::Audience) }
}

/// RFC 7523 §3, 4 to 6. Gives the expiry, in seconds since the epoch.
fn check_times(claims: &Map<String, Value>, now: i64) -> Result<i64, AssertionError> {
    let latest_start = now.saturating_add(ASSERTION_CLOCK_SKEW.0.into());
    let longest = i64::from(MAX_ASSERTION_LIFETIME.0);
    let expires_at = claims.get("exp").and_then(numeric_date).ok_or(AssertionError::ExpiryMissing)?;
    if expires_at <= now {
        return Err(AssertionError::Expired);
    }
    if expires_at > latest_start.saturating_add(longest) {
        return Err(AssertionError::LivesTooLong);
    }
    if let Some(value) = claims.get("nbf") {
        numeric_date(value).filter(|start| *start <= latest_start).ok_or(AssertionError::NotBefore)?;
    }
    if let Some(value) = claims.get("iat") {
        let issued_at = numeric_date(value).filter(|issued_at| *issued_at <= latest_start).ok_or(AssertionError::IssuedAt)?;
        if expires_at.saturating_sub(issued_at) > longest {
            return Err(AssertionError::LivesTooLong);
        }
    }
    Ok(expires_at)
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}

/// RFC 7519 §2: seconds since the epoch, perhaps with a fraction, which is cut off.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a number out of range becomes the nearest moment there is, which no check takes for now"
)]
pub(super) fn numeric_date(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds.floor() as i64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_772_000_000;
    const ISSUER: &str = "https://as.example.com";
    const TOKEN_ENDPOINT: &str = "https://as.example.com/oauth2/token";

    fn claims() -> Value {
        json!({"iss": "app", "sub": "app", "aud": ISSUER, "exp": NOW + 60, "iat": NOW, "jti": "1"})
    }

    fn check(claims: &Value) -> Result<CheckedAssertion, AssertionError> {
        check_with(claims, false)
    }

    fn check_with(claims: &Value, token_endpoint_as_audience: bool) -> Result<CheckedAssertion, AssertionError> {
        let client_id = ClientId::from("app");
        let rules = AssertionRules { client_id: &client_id, issuer: ISSUER, token_endpoint: TOKEN_ENDPOINT, token_endpoint_as_audience };
        check_assertion(claims.as_object().unwrap(), rules, Timestamp::from_seconds(NOW))
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    fn without(name: &str) -> Value {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        claims
    }

    #[test]
    fn rfc7523_3_a_sound_assertion_gives_jti_and_expiry() {
        let checked = CheckedAssertion { jti: "1".to_owned(), expires_at: Timestamp::from_seconds(NOW + 60) };
        assert_eq!(check(&claims()), Ok(checked.clone()));
        assert_eq!(check(&without("iat")), Ok(checked.clone()));
        assert_eq!(check(&with("more", json!({"x": 1}))), Ok(checked));
    }

    #[test]
    fn rfc7523_3_issuer_and_subject_are_the_client() {
        for wrong in [json!("other"), json!(["app"]), json!(null), json!(1), json!("APP")] {
            assert_eq!(check(&with("iss", wrong.clone())), Err(AssertionError::Issuer));
            assert_eq!(check(&with("sub", wrong)), Err(AssertionError::Subject));
        }
        assert_eq!(check(&without("iss")), Err(AssertionError::Issuer));
        assert_eq!(check(&without("sub")), Err(AssertionError::Subject));
    }

    #[test]
    fn rfc7523_3_the_audience_is_the_issuer_as_a_string() {
        let par = "https://as.example.com/oauth2/par";
        for wrong in
            [json!([ISSUER]), json!([ISSUER, par]), json!(par), json!(format!("{ISSUER}/")), json!(TOKEN_ENDPOINT), json!(null), json!("")]
        {
            assert_eq!(check(&with("aud", wrong.clone())), Err(AssertionError::Audience), "{wrong}");
        }
        assert_eq!(check(&without("aud")), Err(AssertionError::Audience));
    }

    #[test]
    fn the_token_endpoint_is_an_audience_where_the_client_may_use_it() {
        assert!(check_with(&with("aud", json!(TOKEN_ENDPOINT)), true).is_ok());
        assert!(check_with(&claims(), true).is_ok());
        assert_eq!(check_with(&with("aud", json!([TOKEN_ENDPOINT])), true), Err(AssertionError::Audience));
    }

    #[test]
    fn rfc7523_3_an_assertion_expires() {
        for wrong in [json!(null), json!("1"), json!(true)] {
            assert_eq!(check(&with("exp", wrong)), Err(AssertionError::ExpiryMissing));
        }
        assert_eq!(check(&without("exp")), Err(AssertionError::ExpiryMissing));
        for past in [json!(NOW), json!(NOW - 1), json!(NOW - 300), json!(-1), json!(0.5), json!(-1e300)] {
            assert_eq!(check(&with("exp", past.clone())), Err(AssertionError::Expired), "{past}");
        }
        assert!(check(&with("exp", json!(NOW + 1))).is_ok());
    }

    #[test]
    fn rfc7523_3_an_assertion_lives_for_an_hour_at_most() {
        assert!(check(&with("exp", json!(NOW + 3600))).is_ok());
        for long in [json!(NOW + 3601), json!(NOW + 86400), json!(u64::MAX), json!(1e300)] {
            assert_eq!(check(&with("exp", long.clone())), Err(AssertionError::LivesTooLong), "{long}");
        }
        let mut old = claims();
        old["iat"] = json!(NOW - 3541);
        assert_eq!(check(&old), Err(AssertionError::LivesTooLong));
        old["iat"] = json!(i64::MIN);
        assert_eq!(check(&old), Err(AssertionError::LivesTooLong));
    }

    #[test]
    fn fapi2_5_3_2_1_a_clock_8_seconds_ahead_is_accepted_and_one_over_60_is_not() {
        for (name, error) in [("nbf", AssertionError::NotBefore), ("iat", AssertionError::IssuedAt)] {
            for fine in [json!(NOW - 30), json!(NOW), json!(NOW + 8), json!(NOW + 10), json!(1_772_000_008.5)] {
                assert!(check(&with(name, fine.clone())).is_ok(), "{name} {fine}");
            }
            for wrong in [json!(NOW + 61), json!(NOW + 600), json!("x"), json!(null), json!(u64::MAX)] {
                assert_eq!(check(&with(name, wrong.clone())), Err(error), "{name} {wrong}");
            }
        }
    }

    #[test]
    fn rfc7523_3_an_assertion_has_an_id() {
        for wrong in [json!(""), json!(1), json!(null), json!("x".repeat(257))] {
            assert_eq!(check(&with("jti", wrong)), Err(AssertionError::Jti));
        }
        assert_eq!(check(&without("jti")), Err(AssertionError::Jti));
        assert!(check(&with("jti", json!("x".repeat(256)))).is_ok());
    }

    proptest! {
        #[test]
        fn an_accepted_assertion_is_alive_and_ends_within_the_hour(exp in any::<i64>(), near in -7200..7200i64, now in any::<i64>()) {
            let client_id = ClientId::from("app");
            let rules = AssertionRules { client_id: &client_id, issuer: ISSUER, token_endpoint: TOKEN_ENDPOINT, token_endpoint_as_audience: false };
            for (exp, now) in [(exp, Timestamp(now)), (NOW + near, Timestamp::from_seconds(NOW))] {
                let mut claims = claims();
                claims["exp"] = json!(exp);
                if let Ok(checked) = check_assertion(claims.as_object().unwrap(), rules, now) {
                    prop_assert!(checked.expires_at > now && checked.expires_at.seconds_since(now) <= 3630);
                }
            }
        }
    }
}
