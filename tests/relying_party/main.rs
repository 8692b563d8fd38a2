//! The crate `openidconnect` against a real server: all it is told is the issuer and its own registration.

use grantlog_tests::{
    process::{Installation, ServerProcess},
    remote::{Remote, code_of, text},
};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse, IssuerUrl,
    Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope, TokenResponse,
    core::{
        CoreAuthenticationFlow, CoreClient, CoreErrorResponseType, CoreIdToken, CoreJwsSigningAlgorithm, CoreProviderMetadata,
        CoreUserInfoClaims,
    },
    http,
};
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

const REDIRECT_URI: &str = "https://weather.example.com/callback";

/// The crate leaves HTTP to others; it must not follow redirects.
struct Http(reqwest::Client);

impl Http {
    fn new() -> Self {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build();
        Self(client.expect("a client"))
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
        let answer = self.0.execute(request.try_into()?).await?;
        let mut response = http::Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            response = response.header(name, value);
        }
        Ok(response.body(answer.bytes().await?.to_vec()).expect("a response of valid parts"))
    }
}

struct Stage {
    _server: ServerProcess,
    _installation: Installation,
    remote: Remote,
    http: Http,
}

impl Stage {
    async fn set() -> Self {
        let installation = Installation::new();
        let server = installation.start().await;
        let remote = Remote::of(&installation).await;
        Self { _server: server, _installation: installation, remote, http: Http::new() }
    }

    async fn register(&self, members: Value) -> Value {
        let mut metadata = json!({
            "client_name": "Weather by Mail",
            "redirect_uris": [REDIRECT_URI],
            "scope": "openid email offline_access",
        });
        for (name, value) in members.as_object().expect("an object") {
            metadata[name] = value.clone();
        }
        self.remote.register(&metadata).await.expect("an answer").expect(201)
    }

    async fn discover(&self) -> CoreProviderMetadata {
        let issuer = IssuerUrl::new(self.remote.issuer().to_owned()).expect("a URL");
        CoreProviderMetadata::discover_async(issuer, &|request| self.http.send(request)).await.expect("discovery is enough")
    }

    /// What the page does with the URL that the client sent the browser to: Ana says yes.
    async fn approve(&self, authorization_url: &Url) -> Value {
        let subject = json!({"id": "ana", "auth_time": 1_700_000_000, "claims": {"email": "ana@example.com", "email_verified": true}});
        let body = json!({"query": authorization_url.query(), "subject": subject});
        let request = self.remote.call("consent", Method::POST, "/v1/authorization-requests", Some(&body)).await;
        let request = request.expect("an answer").expect(201);
        if request["next"] == "redirect" {
            return request;
        }
        self.remote.approve(&request).await.expect("an answer").expect(200)
    }
}

/// Runs a whole life of one client, whose ID tokens are signed with this algorithm.
async fn live(algorithm: CoreJwsSigningAlgorithm, members: Value) {
    let stage = Stage::set().await;
    let http = |request| stage.http.send(request);
    let registered = stage.register(members).await;
    let secret = registered["client_secret"].as_str().map(|secret| ClientSecret::new(secret.to_owned()));
    let metadata = stage.discover().await;
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new(text(&registered["client_id"])), secret)
        .set_redirect_uri(RedirectUrl::new(REDIRECT_URI.to_owned()).expect("a URL"));

    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let request = client.authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random);
    let scopes = ["email", "offline_access"].map(|scope| Scope::new(scope.to_owned()));
    let (url, state, nonce) = request.add_scopes(scopes).set_pkce_challenge(challenge).url();
    let answer = stage.approve(&url).await;
    let redirect_to = Url::parse(&text(&answer["redirect_to"])).expect("a URL");
    assert!(redirect_to.query_pairs().any(|(name, value)| name == "state" && value == *state.secret()));

    let code = || AuthorizationCode::new(code_of(&answer));
    let stolen = client.exchange_code(code()).expect("a token endpoint").set_pkce_verifier(PkceCodeVerifier::new("x".repeat(43)));
    match stolen.request_async(&http).await {
        Err(RequestTokenError::ServerResponse(refusal)) => assert_eq!(*refusal.error(), CoreErrorResponseType::InvalidGrant),
        other => panic!("a stolen code is refused: {other:?}"),
    }
    let tokens = client.exchange_code(code()).expect("a token endpoint").set_pkce_verifier(verifier).request_async(&http).await;
    let tokens = tokens.expect("the code is good");

    let verifier = client.id_token_verifier().set_allowed_algs([algorithm.clone()]);
    let id_token: &CoreIdToken = tokens.id_token().expect("an ID token");
    assert_eq!(id_token.signing_alg().expect("a header"), &algorithm);
    let claims = id_token.claims(&verifier, &nonce).expect("the signature and every claim hold");
    assert_eq!(claims.subject().as_str(), "ana");
    let key = id_token.signing_key(&verifier).expect("a published key");
    let at_hash = AccessTokenHash::from_token(tokens.access_token(), &algorithm, key).expect("an algorithm with a hash");
    assert_eq!(claims.access_token_hash(), Some(&at_hash));
    let wrong_nonce = id_token.claims(&verifier, &Nonce::new("another".to_owned()));
    assert!(matches!(wrong_nonce, Err(ClaimsVerificationError::InvalidNonce(_))));

    let user_info = client.user_info(tokens.access_token().clone(), Some(claims.subject().clone())).expect("a userinfo endpoint");
    let user_info: CoreUserInfoClaims = user_info.request_async(&http).await.expect("the token is good");
    assert_eq!(user_info.email().map(|email| email.as_str()), Some("ana@example.com"));

    let refresh_token = tokens.refresh_token().expect("offline access was granted");
    let refreshed = client.exchange_refresh_token(refresh_token).expect("a token endpoint").request_async(&http).await;
    let refreshed = refreshed.expect("the refresh token is good");
    assert_ne!(refreshed.refresh_token().map(RefreshToken::secret), Some(refresh_token.secret()));
    // OIDC Core §12.2: an ID token of a refresh carries the nonce or none.
    let again = refreshed.id_token().expect("an ID token").claims(&verifier, |_: Option<&Nonce>| Ok(())).expect("it verifies");
    assert_eq!((again.subject(), again.auth_time()), (claims.subject(), claims.auth_time()));
}

#[tokio::test]
async fn a_confidential_client_with_rs256() {
    live(CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256, json!({})).await;
}

#[tokio::test]
async fn a_confidential_client_with_es256() {
    live(CoreJwsSigningAlgorithm::EcdsaP256Sha256, json!({"id_token_signed_response_alg": "ES256"})).await;
}

#[tokio::test]
async fn a_public_client_with_eddsa() {
    live(CoreJwsSigningAlgorithm::EdDsa, json!({"id_token_signed_response_alg": "EdDSA", "token_endpoint_auth_method": "none"})).await;
}
