//! Token requests (RFC 6749 §4.1.3, §4.4.2, §6; OAuth 2.1 §3.2.2).

use super::{CodeVerifier, GrantType, InvalidResource, OAuthError, OAuthErrorCode, Params, Scope, SecretText, resource};

/// What a token request asks for, apart from who sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenRequest {
    /// Redeems an authorization code (RFC 6749 §4.1.3).
    AuthorizationCode {
        /// The code as presented.
        code: SecretText,
        /// The redirect URI, if the authorization request named it too.
        redirect_uri: Option<String>,
        /// The answer to the code challenge (RFC 7636 §4.5).
        code_verifier: Option<CodeVerifier>,
        /// The resource servers that the token shall be for (RFC 8707 §2.2); none named: all that were granted.
        resources: Vec<String>,
    },
    /// Rotates a refresh token (RFC 6749 §6).
    RefreshToken {
        /// The token as presented.
        refresh_token: SecretText,
        /// A narrower scope.
        scope: Option<Scope>,
        /// The resource servers that the token shall be for (RFC 8707 §2.2); none named: all that were granted.
        resources: Vec<String>,
    },
    /// A token for the client itself (RFC 6749 §4.4.2).
    ClientCredentials {
        /// What it shall be good for.
        scope: Option<Scope>,
        /// The resource servers that it shall be for (RFC 8707 §2.2).
        resources: Vec<String>,
    },
}

impl TokenRequest {
    /// Reads the body of the request.
    pub fn parse(params: &Params) -> Result<Self, OAuthError> {
        match required(params, "grant_type")? {
            "authorization_code" => Ok(Self::AuthorizationCode {
                code: required(params, "code")?.into(),
                redirect_uri: params.get("redirect_uri").map(str::to_owned),
                code_verifier: code_verifier(params)?,
                resources: resources(params)?,
            }),
            "refresh_token" => Ok(Self::RefreshToken {
                refresh_token: required(params, "refresh_token")?.into(),
                scope: scope(params)?,
                resources: resources(params)?,
            }),
            "client_credentials" => Ok(Self::ClientCredentials { scope: scope(params)?, resources: resources(params)? }),
            // RFC 9700 §2.4: the resource owner password credentials grant must not be used.
            "password" => Err(unsupported("the password grant is not supported; use authorization_code")),
            // RFC 6749 §5.2
            _ => Err(unsupported("grant_type must be authorization_code, refresh_token or client_credentials")),
        }
    }

    /// The grant type, which the client must be registered for.
    pub fn grant_type(&self) -> GrantType {
        match self {
            Self::AuthorizationCode { .. } => GrantType::AuthorizationCode,
            Self::RefreshToken { .. } => GrantType::RefreshToken,
            Self::ClientCredentials { .. } => GrantType::ClientCredentials,
        }
    }
}

/// RFC 6749 §5.2: a missing parameter is `invalid_request`.
fn required<'a>(params: &'a Params, name: &str) -> Result<&'a str, OAuthError> {
    params.get(name).ok_or_else(|| OAuthError::invalid_request(format!("the parameter {name} is missing")))
}

fn scope(params: &Params) -> Result<Option<Scope>, OAuthError> {
    params.get("scope").map(str::parse).transpose().map_err(|why: super::scope::InvalidScope| OAuthError::invalid_scope(why.to_string()))
}

/// RFC 8707 §2: what can name no resource server is `invalid_target`.
fn resources(params: &Params) -> Result<Vec<String>, OAuthError> {
    resource::resources(params).map_err(|why: InvalidResource| OAuthError::invalid_target(why.to_string()))
}

fn code_verifier(params: &Params) -> Result<Option<CodeVerifier>, OAuthError> {
    params.get("code_verifier").map(CodeVerifier::parse).transpose().map_err(|why| OAuthError::invalid_request(why.to_string()))
}

fn unsupported(description: &str) -> OAuthError {
    OAuthError::new(OAuthErrorCode::UnsupportedGrantType, description)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn parse(body: &str) -> Result<TokenRequest, OAuthError> {
        TokenRequest::parse(&Params::parse(body.as_bytes())?)
    }

    fn refusal(body: &str) -> (OAuthErrorCode, String) {
        let error = parse(body).expect_err(body);
        (error.code(), error.description().to_owned())
    }

    #[test]
    fn rfc6749_4_1_3_the_example_is_read() {
        let body = "grant_type=authorization_code&code=SplxlOBeZQQYbYS6WxSbIA&redirect_uri=https%3A%2F%2Fclient%2Eexample%2Ecom%2Fcb";
        let request = parse(body).unwrap();
        assert_eq!(request.grant_type(), GrantType::AuthorizationCode);
        let redirect_uri = Some("https://client.example.com/cb".to_owned());
        assert_eq!(
            request,
            TokenRequest::AuthorizationCode { code: "SplxlOBeZQQYbYS6WxSbIA".into(), redirect_uri, code_verifier: None, resources: vec![] }
        );
    }

    #[test]
    fn rfc7636_4_5_a_code_verifier_is_read() {
        let request = parse(&format!("grant_type=authorization_code&code=x&code_verifier={VERIFIER}")).unwrap();
        let code_verifier = Some(CodeVerifier::parse(VERIFIER).unwrap());
        assert_eq!(request, TokenRequest::AuthorizationCode { code: "x".into(), redirect_uri: None, code_verifier, resources: vec![] });
        let (code, description) = refusal("grant_type=authorization_code&code=x&code_verifier=short");
        assert_eq!(code, OAuthErrorCode::InvalidRequest);
        assert!(description.starts_with("code_verifier"), "{description}");
    }

    #[test]
    fn rfc6749_6_a_refresh_request_is_read() {
        let request = parse("grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA&scope=b+a").unwrap();
        assert_eq!(request.grant_type(), GrantType::RefreshToken);
        let scope = Some("a b".parse().unwrap());
        assert_eq!(request, TokenRequest::RefreshToken { refresh_token: "tGzv3JOkF0XG5Qx2TlKWIA".into(), scope, resources: vec![] });
    }

    #[test]
    fn rfc6749_4_4_2_a_client_credentials_request_is_read() {
        let request = parse("grant_type=client_credentials&scope=").unwrap();
        assert_eq!(request.grant_type(), GrantType::ClientCredentials);
        assert_eq!(request, TokenRequest::ClientCredentials { scope: None, resources: vec![] });
    }

    #[test]
    fn rfc6749_5_2_a_missing_parameter_is_named() {
        let missing = |name: &str| (OAuthErrorCode::InvalidRequest, format!("the parameter {name} is missing"));
        assert_eq!(refusal(""), missing("grant_type"));
        assert_eq!(refusal("grant_type="), missing("grant_type"));
        assert_eq!(refusal("grant_type=authorization_code&code="), missing("code"));
        assert_eq!(refusal("grant_type=refresh_token"), missing("refresh_token"));
    }

    #[test]
    fn rfc6749_5_2_other_grant_types_are_unsupported() {
        for grant_type in ["password", "implicit", "Authorization_Code", "urn:ietf:params:oauth:grant-type:jwt-bearer"] {
            assert_eq!(
                refusal(&format!("grant_type={grant_type}&username=a&password=b")).0,
                OAuthErrorCode::UnsupportedGrantType,
                "{grant_type}"
            );
        }
    }

    #[test]
    fn rfc6749_5_2_a_malformed_scope_is_invalid_scope() {
        for scope in ["a++b", "+a", "%22", "%5C", "%C3%A4"] {
            assert_eq!(refusal(&format!("grant_type=client_credentials&scope={scope}")).0, OAuthErrorCode::InvalidScope, "{scope}");
        }
    }

    #[test]
    fn rfc8707_2_2_every_grant_type_may_name_resource_servers() {
        let named = vec!["https://a.example/".to_owned(), "urn:b".to_owned()];
        for grant in ["authorization_code&code=x", "refresh_token&refresh_token=x", "client_credentials"] {
            let body = format!("grant_type={grant}&resource=https%3A%2F%2Fa.example%2F&resource=urn%3Ab");
            let (TokenRequest::AuthorizationCode { resources, .. }
            | TokenRequest::RefreshToken { resources, .. }
            | TokenRequest::ClientCredentials { resources, .. }) = parse(&body).unwrap();
            assert_eq!(resources, named, "{grant}");
            assert_eq!(refusal(&format!("grant_type={grant}&resource=a")).0, OAuthErrorCode::InvalidTarget, "{grant}");
        }
    }

    #[test]
    fn rfc6749_3_2_a_repeated_parameter_is_invalid_request() {
        let repeated = (OAuthErrorCode::InvalidRequest, "the parameter code is repeated".to_owned());
        assert_eq!(refusal("grant_type=authorization_code&code=a&code=b"), repeated);
    }

    #[test]
    fn secrets_do_not_print() {
        let printed = format!("{:?}", parse(&format!("grant_type=authorization_code&code=hunter2&code_verifier={VERIFIER}")).unwrap());
        assert!(!printed.contains("hunter2") && !printed.contains(VERIFIER), "{printed}");
    }

    proptest! {
        #[test]
        fn parsing_never_panics(
            grant_type in "authorization_code|refresh_token|client_credentials|\\PC{0,10}",
            pairs in proptest::collection::vec(("code|redirect_uri|code_verifier|scope|refresh_token", "\\PC{0,60}"), 0..5),
        ) {
            let body = form_urlencoded::Serializer::new(String::new()).append_pair("grant_type", &grant_type).extend_pairs(pairs).finish();
            let _ = parse(&body);
        }
    }
}
