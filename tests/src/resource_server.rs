use grantlog_core::jose::{JwkSet, UnverifiedJwt, VerificationAlgorithm};
use http::Method;
use serde_json::{Value, json};

use crate::{TestServer, merged, text};

impl TestServer {
    /// Registers a resource server that differs from the usual one in these members; the answer has its credentials.
    pub async fn resource_server(&self, members: Value) -> Value {
        let usual = json!({"identifier": "https://notes.example.com/", "name": "Sundial Notes", "scopes": "notes.read notes.write"});
        self.admin(Method::POST, "/v1/resource-servers", Some(&merged(usual, members))).await.expect(201)
    }

    /// Introspects as the resource server that was registered with this answer.
    pub async fn introspect_by(&self, resource_server: &Value, token: &str) -> Value {
        let key = format!("Bearer {}", text(&resource_server["credentials"], "api_key"));
        self.introspect_as(&key, token).await.expect(200)
    }

    /// The claims of a JWT access token, verified by this algorithm with the one published key that it names.
    #[track_caller]
    pub fn verified(&self, jwks: &Value, token: &str, algorithm: VerificationAlgorithm) -> Value {
        let jwt = UnverifiedJwt::parse(token).expect("a JWT");
        assert_eq!((jwt.header().alg, jwt.header().typ.as_deref()), (algorithm, Some("at+jwt")));
        let keys = JwkSet::parse(jwks).expect("a JWK Set").verifying_keys(jwt.header().kid.as_deref());
        let [key] = keys.as_slice() else { panic!("{:?} names {} keys of {jwks}", jwt.header().kid, keys.len()) };
        Value::Object(jwt.verify(key, &[algorithm]).expect("a good signature"))
    }
}
