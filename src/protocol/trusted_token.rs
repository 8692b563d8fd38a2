//! The claims of a trusted token: a JWT of the application's login system that a page presents (RFC 7519, RFC 8725). The
//! signature is checked elsewhere, before.

use serde_json::{Map, Value};

use super::{
    assertion::numeric_date,
    trusted_issuer::{ClaimPath, TrustedIssuerSettings},
};
use crate::domain::{OrganizationId, Seconds, Timestamp};

/// How far the issuer's clock may be from ours.
pub const TRUSTED_TOKEN_CLOCK_SKEW: Seconds = Seconds(30);

/// The longest id of a person, organization, role, acr or amr, in bytes.
const LONGEST_NAME: usize = 255;
const MOST_VALUES: usize = 100;

/// What a sound token says.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedTrustedToken {
    /// The application's id of the person.
    pub subject: String,
    /// The organization that they act in.
    pub organization_id: Option<OrganizationId>,
    /// Their roles.
    pub roles: Vec<String>,
    /// When they logged in.
    pub auth_time: Timestamp,
    /// The authentication context class.
    pub acr: Option<String>,
    /// The authentication methods.
    pub amr: Vec<String>,
    /// Claims to be passed on.
    pub claims: Map<String, Value>,
    /// Its unique id, if it has one.
    pub jti: Option<String>,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// What is wrong with a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustedTokenError {
    /// RFC 8725 §3.11: it was made to be something else.
    #[error("typ of the token must be JWT, or absent")]
    Type,
    /// RFC 8725 §3.8: somebody else made it.
    #[error("iss of the token is not the issuer's")]
    Issuer,
    /// RFC 8725 §3.9: it was made for somebody else.
    #[error("aud of the token is not the one that is registered")]
    Audience,
    /// RFC 7519 §4.1.4.
    #[error("the token has expired, or has no exp")]
    Expired,
    /// RFC 7519 §4.1.5, §4.1.6.
    #[error("nbf or iat of the token lies in the future")]
    NotYetValid,
    /// It has been around for too long.
    #[error("the token is older than is accepted, or has no iat")]
    TooOld,
    /// A claim is missing, or is not what it should be.
    #[error("the claim {0} of the token is missing or has no acceptable value")]
    Claim(String),
    /// It could pass for a client (RFC 9700 §4.15).
    #[error("the subject of the token begins like the id of a client")]
    ClientLikeSubject,
}

/// RFC 8725 §3.11: an access token, a logout token or a request object is no proof of who is there, whoever signed it.
pub fn check_type(typ: Option<&str>) -> Result<(), TrustedTokenError> {
    if typ.is_none_or(|typ| typ.eq_ignore_ascii_case("JWT")) { Ok(()) } else { Err(TrustedTokenError::Type) }
}

/// Checks the claims of a token whose signature was found good. No id of a person may begin like `client_prefix`.
pub fn check_trusted_token(
    claims: &Map<String, Value>,
    settings: &TrustedIssuerSettings,
    client_prefix: &str,
    now: Timestamp,
) -> Result<CheckedTrustedToken, TrustedTokenError> {
    // RFC 8725 §3.8: the key is the issuer's, so the token has to name it.
    if claims.get("iss").and_then(Value::as_str) != Some(&settings.issuer) {
        return Err(TrustedTokenError::Issuer);
    }
    check_audience(claims.get("aud"), &settings.audience)?;
    let (expires_at, issued_at) = check_times(claims, settings.max_token_age, now.as_seconds())?;
    let mapping = &settings.claims;
    let subject = one_name(claims, &mapping.subject)?.ok_or_else(|| claim(&mapping.subject))?;
    // RFC 9700 §4.15: in a token `sub` may be a client, and nobody may pass for one.
    if subject.starts_with(client_prefix) {
        return Err(TrustedTokenError::ClientLikeSubject);
    }
    let passed_on = mapping.passed_on.iter().filter_map(|(name, place)| Some((name.clone(), place.find(claims)?.clone())));
    Ok(CheckedTrustedToken {
        subject,
        organization_id: one_name(claims, &mapping.organization)?.map(|id| OrganizationId(id.into())),
        roles: names(claims, &mapping.roles)?,
        auth_time: auth_time(claims, mapping.auth_time.as_ref(), issued_at, now)?,
        acr: one_name(claims, &mapping.acr)?,
        amr: names(claims, &mapping.amr)?,
        claims: passed_on.filter(|(_, value)| !value.is_null()).collect(),
        jti: claims.get("jti").and_then(Value::as_str).map(str::to_owned),
        expires_at: Timestamp::from_seconds(expires_at),
    })
}

/// RFC 7519 §4.1.3: one text, or an array of them with ours among them.
fn check_audience(aud: Option<&Value>, expected: &str) -> Result<(), TrustedTokenError> {
    let is_us = match aud {
        Some(Value::String(one)) => one == expected,
        Some(Value::Array(all)) => all.iter().any(|one| one == expected),
        _ => false,
    };
    if is_us { Ok(()) } else { Err(TrustedTokenError::Audience) }
}

/// Gives `exp` and `iat`.
fn check_times(claims: &Map<String, Value>, oldest: Seconds, now: i64) -> Result<(i64, i64), TrustedTokenError> {
    let skew = i64::from(TRUSTED_TOKEN_CLOCK_SKEW.0);
    // RFC 7519 §4.1.4: on or after this moment it is refused, with some leeway for clocks.
    let expires_at = claims.get("exp").and_then(numeric_date).filter(|exp| exp.saturating_add(skew) > now);
    let expires_at = expires_at.ok_or(TrustedTokenError::Expired)?;
    // RFC 7519 §4.1.5: before this moment it is refused.
    if let Some(value) = claims.get("nbf") {
        numeric_date(value).filter(|start| start.saturating_sub(skew) <= now).ok_or(TrustedTokenError::NotYetValid)?;
    }
    let issued_at = claims.get("iat").and_then(numeric_date).ok_or(TrustedTokenError::TooOld)?;
    if issued_at.saturating_sub(skew) > now {
        return Err(TrustedTokenError::NotYetValid);
    }
    if now.saturating_sub(issued_at) > i64::from(oldest.0) + skew {
        return Err(TrustedTokenError::TooOld);
    }
    Ok((expires_at, issued_at))
}

/// When the person logged in. Where the place is registered, it has to be there; else the age of the token stands in.
fn auth_time(
    claims: &Map<String, Value>,
    place: Option<&ClaimPath>,
    issued_at: i64,
    now: Timestamp,
) -> Result<Timestamp, TrustedTokenError> {
    let seconds = match place {
        Some(place) => place.find(claims).and_then(numeric_date).ok_or_else(|| claim(place))?,
        None => match claims.get("auth_time") {
            Some(value) => numeric_date(value).ok_or_else(|| TrustedTokenError::Claim("auth_time".to_owned()))?,
            None => issued_at,
        },
    };
    // A clock that runs ahead of ours a little makes nobody wait.
    let latest = now.as_seconds() + i64::from(TRUSTED_TOKEN_CLOCK_SKEW.0);
    if (0..=latest).contains(&seconds) {
        Ok(Timestamp::from_seconds(seconds))
    } else {
        Err(TrustedTokenError::Claim(place.map_or("auth_time", ClaimPath::as_str).to_owned()))
    }
}

fn claim(place: &ClaimPath) -> TrustedTokenError {
    TrustedTokenError::Claim(place.as_str().to_owned())
}

fn one_name(claims: &Map<String, Value>, place: &ClaimPath) -> Result<Option<String>, TrustedTokenError> {
    match place.find(claims) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) if is_name(name) => Ok(Some(name.clone())),
        Some(_) => Err(claim(place)),
    }
}

fn names(claims: &Map<String, Value>, place: &ClaimPath) -> Result<Vec<String>, TrustedTokenError> {
    let one = |value: &Value| value.as_str().filter(|name| is_name(name)).map(str::to_owned);
    match place.find(claims) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(values)) if values.len() <= MOST_VALUES => {
            values.iter().map(one).collect::<Option<_>>().ok_or_else(|| claim(place))
        }
        Some(value) => one(value).map(|name| vec![name]).ok_or_else(|| claim(place)),
    }
}

fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len()) && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::protocol::trusted_issuer::TrustedIssuerInput;

    const NOW: i64 = 1_772_000_000;

    fn settings(members: Value) -> TrustedIssuerSettings {
        let mut json = json!({"issuer": "https://login.example.com", "audience": "grantlog", "algorithms": ["ES256"],
            "jwks_uri": "https://login.example.com/jwks", "origins": ["https://app.example.com"]});
        for (name, value) in members.as_object().unwrap() {
            json[name] = value.clone();
        }
        serde_json::from_value::<TrustedIssuerInput>(json).unwrap().into_settings().unwrap()
    }

    fn check_with(members: Value, settings: &TrustedIssuerSettings) -> Result<CheckedTrustedToken, TrustedTokenError> {
        let mut claims = json!({"iss": "https://login.example.com", "aud": "grantlog", "sub": "ana", "iat": NOW - 10, "exp": NOW + 60});
        for (name, value) in members.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| *value != json!("(absent)"));
        check_trusted_token(claims.as_object().unwrap(), settings, "client_", Timestamp::from_seconds(NOW))
    }

    fn check(members: Value) -> Result<CheckedTrustedToken, TrustedTokenError> {
        check_with(members, &settings(json!({})))
    }

    fn refusal(members: Value) -> Option<TrustedTokenError> {
        check(members).err()
    }

    #[test]
    fn a_sound_token_says_who_is_there() {
        let checked = check(json!({"org_id": "acme", "roles": ["editor", "owner"], "auth_time": NOW - 100, "acr": "gold", "amr": "pwd",
            "jti": "1"}))
        .unwrap();
        assert_eq!((checked.subject.as_str(), checked.organization_id), ("ana", Some(OrganizationId("acme".into()))));
        assert_eq!((checked.roles, checked.amr), (vec!["editor".to_owned(), "owner".to_owned()], vec!["pwd".to_owned()]));
        assert_eq!((checked.auth_time, checked.expires_at), (Timestamp::from_seconds(NOW - 100), Timestamp::from_seconds(NOW + 60)));
        assert_eq!((checked.acr.as_deref(), checked.jti.as_deref()), (Some("gold"), Some("1")));
    }

    #[test]
    fn the_login_was_when_the_token_was_made_unless_it_says_otherwise() {
        assert_eq!(check(json!({})).unwrap().auth_time, Timestamp::from_seconds(NOW - 10));
        let mapped = settings(json!({"claims": {"auth_time": "/session/began"}}));
        assert_eq!(check_with(json!({"auth_time": NOW}), &mapped), Err(TrustedTokenError::Claim("/session/began".to_owned())));
        let at = |seconds: i64| check_with(json!({"session": {"began": seconds}}), &mapped).map(|checked| checked.auth_time);
        assert_eq!(at(NOW - 500), Ok(Timestamp::from_seconds(NOW - 500)));
        for wrong in [NOW + 31, -1, i64::MAX] {
            assert_eq!(at(wrong), Err(TrustedTokenError::Claim("/session/began".to_owned())));
        }
    }

    #[test]
    fn rfc8725_3_8_the_issuer_is_named_letter_for_letter() {
        for wrong in [json!("https://login.example.com/"), json!("https://evil.example"), json!(["https://login.example.com"]), json!(null)]
        {
            assert_eq!(refusal(json!({"iss": wrong})), Some(TrustedTokenError::Issuer), "{wrong}");
        }
    }

    #[test]
    fn rfc7519_4_1_3_the_audience_is_ours_alone_or_among_others() {
        assert_eq!(refusal(json!({"aud": ["other", "grantlog"]})), None);
        for wrong in
            [json!("other"), json!(["other"]), json!([]), json!(null), json!({"grantlog": 1}), json!("grantlog2"), json!("(absent)")]
        {
            assert_eq!(refusal(json!({"aud": wrong})), Some(TrustedTokenError::Audience), "{wrong}");
        }
    }

    #[test]
    fn rfc7519_4_1_4_a_token_expires() {
        assert_eq!(refusal(json!({"exp": NOW - 29})), None);
        for wrong in [json!(NOW - 30), json!(0), json!("x"), json!(null), json!("(absent)"), json!(-1e300)] {
            assert_eq!(refusal(json!({"exp": wrong})), Some(TrustedTokenError::Expired), "{wrong}");
        }
    }

    #[test]
    fn rfc7519_4_1_5_a_token_is_not_good_before_its_time() {
        assert_eq!(refusal(json!({"nbf": NOW + 30, "iat": NOW + 30})), None);
        assert_eq!(refusal(json!({"nbf": NOW + 31})), Some(TrustedTokenError::NotYetValid));
        assert_eq!(refusal(json!({"nbf": "x"})), Some(TrustedTokenError::NotYetValid));
        assert_eq!(refusal(json!({"iat": NOW + 31})), Some(TrustedTokenError::NotYetValid));
    }

    #[test]
    fn a_token_has_an_age() {
        assert_eq!(refusal(json!({"iat": NOW - 330})), None);
        for wrong in [json!(NOW - 331), json!("(absent)"), json!("x"), json!(i64::MIN)] {
            assert_eq!(refusal(json!({"iat": wrong})), Some(TrustedTokenError::TooOld), "{wrong}");
        }
        assert!(check_with(json!({"iat": NOW - 1000}), &settings(json!({"max_token_age": 3600}))).is_ok());
    }

    #[test]
    fn rfc9700_4_15_nobody_passes_for_a_client() {
        assert_eq!(refusal(json!({"sub": "client_01932d5e"})), Some(TrustedTokenError::ClientLikeSubject));
    }

    #[test]
    fn a_claim_of_another_form_is_named() {
        for (name, wrong) in [
            ("sub", json!(7)),
            ("sub", json!("")),
            ("sub", json!("(absent)")),
            ("sub", json!("a\nb")),
            ("sub", json!("x".repeat(256))),
            ("org_id", json!(7)),
            ("roles", json!([7])),
            ("roles", json!(vec!["x"; 101])),
            ("roles", json!({})),
            ("acr", json!([])),
            ("amr", json!([""])),
            ("auth_time", json!("x")),
        ] {
            assert_eq!(refusal(json!({name: wrong})), Some(TrustedTokenError::Claim(name.to_owned())), "{name} {wrong}");
        }
    }

    #[test]
    fn only_registered_claims_are_passed_on() {
        let mapped = settings(json!({"claims": {"subject": "/user/id", "passed_on": {"email": "/user/mail", "name": "name"}}}));
        let checked = check_with(json!({"user": {"id": "u1", "mail": "a@example.com"}, "name": null, "phone": "1"}), &mapped).unwrap();
        assert_eq!((checked.subject.as_str(), Value::Object(checked.claims)), ("u1", json!({"email": "a@example.com"})));
    }

    #[test]
    fn rfc8725_3_11_other_tokens_are_no_proof_of_who_is_there() {
        assert_eq!((check_type(None), check_type(Some("JWT")), check_type(Some("jwt"))), (Ok(()), Ok(()), Ok(())));
        for wrong in ["at+jwt", "application/at+jwt", "AT+JWT", "logout+jwt", "", "JWT "] {
            assert_eq!(check_type(Some(wrong)), Err(TrustedTokenError::Type), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_token_is_alive_and_young(exp in -100_000..100_000_i64, iat in -100_000..100_000_i64) {
            if let Ok(checked) = check(json!({"exp": NOW + exp, "iat": NOW + iat})) {
                prop_assert!(checked.expires_at.as_seconds() > NOW - 31 && (-330..=30).contains(&iat));
            }
        }
    }
}
