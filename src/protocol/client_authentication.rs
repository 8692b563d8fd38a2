//! How a client says who it is at the token, revocation and introspection endpoints (RFC 6749 §2.3, RFC 7521 §4.2).

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{ClientAuthenticationMethod, OAuthError, Params, SecretText, client_id::parse_client_id, params};
use crate::domain::ClientId;

/// RFC 7523 §2.2: what `client_assertion_type` must be.
pub const JWT_BEARER_ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a client presented, not yet checked against anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresentedCredentials {
    /// Only its name (RFC 6749 §3.2.1), as public clients do.
    None {
        /// Who it says it is.
        client_id: ClientId,
    },
    /// `client_secret_basic`.
    SecretBasic {
        /// Who it says it is.
        client_id: ClientId,
        /// The secret.
        secret: SecretText,
    },
    /// `client_secret_post`.
    SecretPost {
        /// Who it says it is.
        client_id: ClientId,
        /// The secret.
        secret: SecretText,
    },
    /// `private_key_jwt`.
    Assertion {
        /// RFC 7521 §4.2: optional, since the assertion names the client; if it is there, both must agree.
        client_id: Option<ClientId>,
        /// The assertion.
        jwt: SecretText,
    },
}

impl PresentedCredentials {
    /// Reads the `Authorization` header and the body.
    pub fn parse(authorization: Option<&str>, params: &Params) -> Result<Self, OAuthError> {
        let in_body = params.get("client_id").map(named_client).transpose()?;
        let secret = params.get("client_secret").map(SecretText::from);
        let assertion = assertion(params)?;
        match (authorization, secret, assertion) {
            (Some(header), None, None) => Self::from_basic(header, in_body.as_ref()),
            (None, Some(secret), None) => Ok(Self::SecretPost { client_id: in_body.ok_or_else(no_client_id)?, secret }),
            (None, None, Some(jwt)) => Ok(Self::Assertion { client_id: in_body, jwt }),
            (None, None, None) => Ok(Self::None { client_id: in_body.ok_or_else(no_client_id)? }),
            // RFC 6749 §2.3: not more than one method in a request.
            _ => Err(OAuthError::invalid_request("the request authenticates the client in more than one way")),
        }
    }

    fn from_basic(header: &str, in_body: Option<&ClientId>) -> Result<Self, OAuthError> {
        let (client_id, secret) = decode_basic(header)?;
        // A request that speaks for two clients speaks for none.
        if in_body.is_some_and(|named| *named != client_id) {
            return Err(OAuthError::invalid_client("client_id is another one than in the Authorization header"));
        }
        Ok(Self::SecretBasic { client_id, secret })
    }

    /// How the client authenticates, which must be the way it is registered with.
    pub fn method(&self) -> ClientAuthenticationMethod {
        match self {
            Self::None { .. } => ClientAuthenticationMethod::None,
            Self::SecretBasic { .. } => ClientAuthenticationMethod::ClientSecretBasic,
            Self::SecretPost { .. } => ClientAuthenticationMethod::ClientSecretPost,
            Self::Assertion { .. } => ClientAuthenticationMethod::PrivateKeyJwt,
        }
    }

    /// Who the client says it is, unless only its assertion does.
    pub fn client_id(&self) -> Option<&ClientId> {
        match self {
            Self::None { client_id } | Self::SecretBasic { client_id, .. } | Self::SecretPost { client_id, .. } => Some(client_id),
            Self::Assertion { client_id, .. } => client_id.as_ref(),
        }
    }
}

fn named_client(text: &str) -> Result<ClientId, OAuthError> {
    parse_client_id(text).ok_or_else(|| OAuthError::invalid_client("client_id is malformed"))
}

/// RFC 6749 §5.2: no client authentication included.
fn no_client_id() -> OAuthError {
    OAuthError::invalid_client("the request does not say which client sends it: client_id is missing")
}

/// RFC 7521 §4.2: both parameters or neither.
fn assertion(params: &Params) -> Result<Option<SecretText>, OAuthError> {
    match (params.get("client_assertion"), params.get("client_assertion_type")) {
        (None, None) => Ok(None),
        (Some(jwt), Some(JWT_BEARER_ASSERTION_TYPE)) => Ok(Some(jwt.into())),
        (Some(_), Some(_)) => Err(OAuthError::invalid_client(format!("client_assertion_type must be {JWT_BEARER_ASSERTION_TYPE}"))),
        (None, Some(_)) => Err(OAuthError::invalid_request("the parameter client_assertion is missing")),
        (Some(_), None) => Err(OAuthError::invalid_request("the parameter client_assertion_type is missing")),
    }
}

/// RFC 6749 §2.3.1: id and secret are form-encoded first, then joined as RFC 7617 §2 says.
fn decode_basic(header: &str) -> Result<(ClientId, SecretText), OAuthError> {
    let (id, secret) = basic_pair(header)?;
    if secret.expose().is_empty() {
        return Err(OAuthError::invalid_client("the Authorization header has no secret"));
    }
    Ok((named_client(&id)?, secret))
}

/// The password of HTTP Basic, for callers whose credential is the password alone.
pub fn basic_password(header: &str) -> Option<SecretText> {
    basic_pair(header).ok().map(|(_, password)| password).filter(|password| !password.expose().is_empty())
}

fn basic_pair(header: &str) -> Result<(String, SecretText), OAuthError> {
    let (scheme, encoded) = header.split_once(' ').unwrap_or((header, ""));
    if !scheme.eq_ignore_ascii_case("Basic") {
        return Err(OAuthError::invalid_client("the Authorization header must have the scheme Basic"));
    }
    let malformed = || OAuthError::invalid_client("the Authorization header is malformed");
    let joined = STANDARD.decode(encoded.trim_matches(' ')).map_err(|_| malformed())?;
    let colon = joined.iter().position(|b| *b == b':').ok_or_else(malformed)?;
    let id = params::decode(&joined[..colon]).map_err(|_| malformed())?;
    let secret = params::decode(&joined[colon + 1..]).map_err(|_| malformed())?;
    Ok((id, secret.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::OAuthErrorCode;

    fn parse(authorization: Option<&str>, body: &str) -> Result<PresentedCredentials, OAuthError> {
        PresentedCredentials::parse(authorization, &Params::parse(body.as_bytes())?)
    }

    fn refusal(authorization: Option<&str>, body: &str) -> OAuthErrorCode {
        parse(authorization, body).expect_err(body).code()
    }

    fn basic(userpass: impl AsRef<[u8]>) -> String {
        format!("Basic {}", STANDARD.encode(userpass))
    }

    fn assertion_of(body: &str) -> String {
        format!("client_assertion=a.b.c&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer{body}")
    }

    #[test]
    fn rfc6749_2_3_1_the_examples_are_read() {
        let (client_id, secret) = (ClientId::from("s6BhdRkqt3"), SecretText::from("7Fjfp0ZBr1KtDRbnfVdmIw"));
        let header = parse(Some("Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3"), "").unwrap();
        assert_eq!(header, PresentedCredentials::SecretBasic { client_id: client_id.clone(), secret: secret.clone() });
        assert_eq!(header.method(), ClientAuthenticationMethod::ClientSecretBasic);
        let body = parse(None, "client_id=s6BhdRkqt3&client_secret=7Fjfp0ZBr1KtDRbnfVdmIw").unwrap();
        assert_eq!(body, PresentedCredentials::SecretPost { client_id, secret });
        assert_eq!(body.method(), ClientAuthenticationMethod::ClientSecretPost);
    }

    #[test]
    fn rfc6749_2_3_1_both_halves_of_basic_are_form_decoded() {
        let credentials = parse(Some(&basic("a%3Ab+c:%25%2B:%C3%A4")), "").unwrap();
        assert_eq!(credentials, PresentedCredentials::SecretBasic { client_id: "a:b c".into(), secret: "%+:ä".into() });
    }

    #[test]
    fn rfc7617_2_the_scheme_is_case_insensitive() {
        assert!(parse(Some(&basic("a:b").replace("Basic", "bASIC")), "").is_ok());
    }

    #[test]
    fn malformed_headers_are_invalid_client() {
        for header in ["", "Basic", "Basic ", "Basic !", "Basic YQ", "Bearer abc", "Digest x", "YTpi"] {
            assert_eq!(refusal(Some(header), ""), OAuthErrorCode::InvalidClient, "{header}");
        }
        for userpass in [&b"ab"[..], b":b", b"a:", b"a:\xff", b"a:%", b"a:%zz", b"a\n:b", b"a:b%00", b"\xc3\xa4:b", b"%20%ff:b"] {
            assert_eq!(refusal(Some(&basic(userpass)), ""), OAuthErrorCode::InvalidClient, "{userpass:?}");
        }
    }

    #[test]
    fn rfc6749_3_2_1_a_public_client_names_itself() {
        let credentials = parse(None, "client_id=app").unwrap();
        assert_eq!(credentials, PresentedCredentials::None { client_id: "app".into() });
        assert_eq!((credentials.method(), credentials.client_id()), (ClientAuthenticationMethod::None, Some(&"app".into())));
    }

    #[test]
    fn rfc6749_5_2_no_client_authentication_is_invalid_client() {
        for body in ["", "client_id=", "client_secret=x", "client_id=k%C3%A4se"] {
            assert_eq!(refusal(None, body), OAuthErrorCode::InvalidClient, "{body}");
        }
    }

    #[test]
    fn rfc6749_2_3_more_than_one_method_is_invalid_request() {
        let header = basic("a:b");
        for (authorization, body) in [
            (Some(header.as_str()), "client_id=a&client_secret=b".to_owned()),
            (Some(header.as_str()), "client_secret=b".to_owned()),
            (Some(header.as_str()), assertion_of("")),
            (None, assertion_of("&client_id=a&client_secret=b")),
            (Some("Bearer x"), "client_secret=b".to_owned()),
        ] {
            assert_eq!(refusal(authorization, &body), OAuthErrorCode::InvalidRequest, "{body}");
        }
    }

    #[test]
    fn the_client_id_of_another_client_is_invalid_client() {
        assert_eq!(refusal(Some(&basic("a:b")), "client_id=c"), OAuthErrorCode::InvalidClient);
        assert_eq!(parse(Some(&basic("a:b")), "client_id=a"), parse(Some(&basic("a:b")), ""));
    }

    #[test]
    fn rfc7521_4_2_an_assertion_may_come_without_client_id() {
        let credentials = parse(None, &assertion_of("")).unwrap();
        assert_eq!(credentials, PresentedCredentials::Assertion { client_id: None, jwt: "a.b.c".into() });
        assert_eq!((credentials.method(), credentials.client_id()), (ClientAuthenticationMethod::PrivateKeyJwt, None));
        assert_eq!(parse(None, &assertion_of("&client_id=a")).unwrap().client_id(), Some(&"a".into()));
    }

    #[test]
    fn rfc7521_4_2_half_an_assertion_or_another_type_is_refused() {
        assert_eq!(refusal(None, "client_id=a&client_assertion=x"), OAuthErrorCode::InvalidRequest);
        assert_eq!(refusal(None, "client_id=a&client_assertion_type=x"), OAuthErrorCode::InvalidRequest);
        let saml = "client_assertion=x&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
        assert_eq!(refusal(None, saml), OAuthErrorCode::InvalidClient);
    }

    #[test]
    fn secrets_do_not_print() {
        for credentials in [parse(Some(&basic("a:hunter2")), ""), parse(None, "client_id=a&client_secret=hunter2")] {
            assert!(!format!("{:?}", credentials.unwrap()).contains("hunter2"));
        }
        assert!(!format!("{:?}", parse(None, &assertion_of(""))).contains("a.b.c"));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(header in proptest::option::of("(Basic |)\\PC{0,40}"), bytes in proptest::collection::vec(any::<u8>(), 0..40), body in "\\PC{0,40}") {
            let _ = parse(header.as_deref(), &body);
            let _ = parse(Some(&basic(bytes)), &body);
        }

        #[test]
        fn what_is_printed_parses_back(client_id in "[ -~]{1,40}", secret in "\\PC{1,40}") {
            let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let header = basic(format!("{}:{}", encode(&client_id), encode(&secret)));
            let client_id = ClientId::from(client_id.as_str());
            prop_assert_eq!(parse(Some(&header), "").unwrap(), PresentedCredentials::SecretBasic { client_id, secret: secret.into() });
        }
    }
}
