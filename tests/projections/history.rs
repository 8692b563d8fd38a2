use std::time::Duration;

use grantlog_core::{
    app::{
        Context, UseCaseError,
        authenticate_client::AuthenticatedClient,
        authorize::{AuthorizationView, DecisionInput, Entry, SubjectAttestation},
        issue::PresentedCode,
    },
    domain::{
        ApiKeyId, ClientId, ResourceServerId, Seconds,
        api_key::Role,
        authorization::{Authentication, DenialError, Next},
    },
    protocol::{ClientMetadata, ClientMetadataInput, CodeVerifier, ResourceServerInput},
};
use grantlog_tests::Pkce;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;

use crate::engine::Engine;

const REDIRECT_URI: &str = "https://weather.example.com/callback";
const PEOPLE: u32 = 6;
const RESOURCE_SERVERS: u32 = 3;

/// What happens on a server, at random and still the same for the same seed.
pub struct History {
    rng: StdRng,
    clients: Vec<AuthenticatedClient>,
    machines: Vec<AuthenticatedClient>,
    /// A client, a code of its.
    codes: Vec<(AuthenticatedClient, String)>,
    /// A client, a token of its: of every kind, alive or not.
    tokens: Vec<(AuthenticatedClient, String)>,
    api_keys: Vec<ApiKeyId>,
}

impl History {
    /// Nothing yet.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            clients: Vec::new(),
            machines: Vec::new(),
            codes: Vec::new(),
            tokens: Vec::new(),
            api_keys: Vec::new(),
        }
    }

    /// Lets so many more things happen.
    pub async fn go_on(&mut self, engine: &Engine, steps: usize) {
        for _ in 0..steps {
            engine.clock.advance(Seconds(self.rng.random_range(0..8)));
            match self.rng.random_range(0..100) {
                0..=5 => self.register(engine, false).await,
                6..=8 => self.register(engine, true).await,
                9..=44 => self.authorize(engine).await,
                45..=62 => self.redeem(engine).await,
                63..=75 => self.refresh(engine).await,
                76..=83 => self.machine_token(engine).await,
                84..=89 => self.revoke(engine).await,
                90 => self.disconnect(engine).await,
                91 => self.erase(engine).await,
                92..=95 => self.change_client(engine).await,
                96 => self.api_key(engine).await,
                97 => self.resource_server(engine).await,
                _ => drop(engine.authority.rotate_aged_signing_keys(&context()).await.expect("the store works")),
            }
        }
        let position = engine.live().position().expect("something was written");
        engine.live().wait_for(position, Duration::from_secs(5)).await.expect("the read side keeps up");
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| from[self.rng.random_range(0..from.len())].clone())
    }

    fn pick_client(&mut self) -> Option<AuthenticatedClient> {
        let clients = self.clients.clone();
        self.pick(&clients)
    }

    fn pick_token(&mut self) -> Option<(AuthenticatedClient, String)> {
        let tokens = self.tokens.clone();
        self.pick(&tokens)
    }

    async fn register(&mut self, engine: &Engine, machine: bool) {
        let format = if self.rng.random_bool(0.5) { "jwt" } else { "opaque" };
        let first_party = self.rng.random_bool(0.3);
        let metadata = if machine {
            json!({"client_name": "Export", "client_type": "machine", "scope": "notes.read", "access_token_format": format})
        } else {
            json!({
                "client_name": "Weather", "client_type": if first_party { "first_party" } else { "third_party" },
                "redirect_uris": [REDIRECT_URI], "scope": "openid email offline_access notes.read",
                "access_token_format": format, "refresh_grace": self.rng.random_range(0..20), "access_token_lifetime": 300,
            })
        };
        let metadata = metadata_of(metadata);
        let registered = engine.authority.register_client(&context(), metadata.clone()).await.map_err(|_| ()).expect("a new client");
        let client = AuthenticatedClient { id: registered.client_id, metadata };
        if machine { self.machines.push(client) } else { self.clients.push(client) }
    }

    async fn authorize(&mut self, engine: &Engine) {
        let Some(client) = self.pick_client() else { return };
        let scopes = ["openid", "openid email", "notes.read", "openid email offline_access", "openid offline_access notes.read"];
        let scope = scopes[self.rng.random_range(0..scopes.len())];
        let resources = self.some_resource();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(resources.iter().map(|resource| ("resource", resource)))
            .extend_pairs([
                ("response_type", "code"),
                ("client_id", &client.id.0),
                ("redirect_uri", REDIRECT_URI),
                ("scope", scope),
                ("code_challenge", Pkce::CHALLENGE),
                ("code_challenge_method", "S256"),
            ])
            .finish();
        let subject = self.rng.random_bool(0.9).then(|| self.somebody(engine));
        let entry = Entry::Headless { browser_binding: None, subject };
        // A suspended client is turned away, and who asks for a resource server that is not there.
        let Ok(started) = unless_trouble(engine.authority.start_authorization(&context(), query.as_bytes(), entry).await) else { return };
        let decided = match (started.next, self.rng.random_range(0..10)) {
            (Next::Redirect, _) => started,
            (_, 0) => return,
            (_, 1) => self.decide(engine, &started, DecisionInput::Deny { error: DenialError::AccessDenied }).await,
            _ => self.decide(engine, &started, DecisionInput::Approve { scope: None, shown: None }).await,
        };
        let parameters = decided.answer.map(|answer| answer.parameters).unwrap_or_default();
        self.codes.extend(parameters.into_iter().find(|(name, _)| *name == "code").map(|(_, code)| (client, code)));
    }

    async fn decide(&mut self, engine: &Engine, started: &AuthorizationView, decision: DecisionInput) -> AuthorizationView {
        let subject = (started.next == Next::Login).then(|| self.somebody(engine));
        let decided = engine.authority.decide_authorization(&context(), started.id, decision, subject, None).await;
        unless_trouble(decided).unwrap_or_else(|_| panic!("a person may decide"))
    }

    fn somebody(&mut self, engine: &Engine) -> SubjectAttestation {
        SubjectAttestation {
            id: format!("person-{}", self.rng.random_range(0..PEOPLE)),
            organization_id: None,
            authentication: Authentication { auth_time: engine.authority.now(), acr: None, amr: Vec::new() },
            roles: if self.rng.random_bool(0.3) { vec!["editor".to_owned()] } else { Vec::new() },
            claims: serde_json::Map::default(),
        }
    }

    /// Redeems a code, now and then a second time.
    async fn redeem(&mut self, engine: &Engine) {
        if self.codes.is_empty() {
            return;
        }
        let place = self.rng.random_range(0..self.codes.len());
        let (client, code) = self.codes[place].clone();
        if self.rng.random_bool(0.9) {
            self.codes.swap_remove(place);
        }
        let verifier = CodeVerifier::parse(Pkce::VERIFIER).expect("a verifier");
        let redirect_uri = Some(REDIRECT_URI.to_owned());
        let presented = PresentedCode { code: &code, redirect_uri, code_verifier: Some(verifier), resources: Vec::new() };
        let issued = engine.authority.redeem_code(&context(), &client, presented).await;
        if let Ok(issued) = unless_trouble(issued) {
            self.keep(&client, issued);
        }
    }

    async fn refresh(&mut self, engine: &Engine) {
        let Some((client, token)) = self.pick_token() else { return };
        if let Ok(issued) = unless_trouble(engine.authority.refresh(&context(), &client, &token, None, Vec::new()).await) {
            self.keep(&client, issued);
        }
    }

    async fn machine_token(&mut self, engine: &Engine) {
        let machines = self.machines.clone();
        let Some(client) = self.pick(&machines) else { return };
        let resources = self.some_resource();
        if let Ok(issued) = unless_trouble(engine.authority.issue_machine_token(&context(), &client, None, &resources).await) {
            self.keep(&client, issued);
        }
    }

    fn keep(&mut self, client: &AuthenticatedClient, issued: grantlog_core::app::issue::IssuedTokens) {
        for token in [Some(issued.access_token), issued.refresh_token].into_iter().flatten() {
            self.tokens.push((client.clone(), token.expose().to_owned()));
        }
    }

    async fn revoke(&mut self, engine: &Engine) {
        let Some((client, token)) = self.pick_token() else { return };
        assert!(unless_trouble(engine.authority.revoke_token(&context(), &client, &token).await).is_ok(), "it is the client's own");
    }

    async fn disconnect(&mut self, engine: &Engine) {
        let person = format!("person-{}", self.rng.random_range(0..PEOPLE));
        let Some(subject) = engine.authority.vault().find_subject(&person).await.expect("the vault works") else { return };
        let grants = engine.live().grants_of_subject(subject);
        let Some(grant) = self.pick(&grants) else { return };
        assert!(engine.authority.revoke_grant(&context(), subject, grant.grant_id).await.expect("the store works"));
    }

    async fn erase(&mut self, engine: &Engine) {
        let person = format!("person-{}", self.rng.random_range(0..PEOPLE));
        engine.authority.erase_subject(&context(), &*engine.live(), &person).await.expect("the store and the vault work");
    }

    async fn change_client(&mut self, engine: &Engine) {
        let Some(client) = self.pick_client() else { return };
        let (authority, context) = (&engine.authority, context());
        let id: &ClientId = &client.id;
        let changed = match self.rng.random_range(0..12) {
            0..=2 => authority.suspend_client(&context, id).await,
            3..=7 => authority.resume_client(&context, id).await,
            8 => authority.start_client_secret_rotation(&context, id).await.map(drop),
            9 => authority.complete_client_secret_rotation(&context, id).await,
            10 => {
                let metadata = ClientMetadata { client_name: "Weather, renamed".to_owned(), ..client.metadata.clone() };
                authority.update_client(&context, id, metadata).await
            }
            _ => {
                self.clients.retain(|other| other.id != *id);
                authority.delete_client(&context, id).await
            }
        };
        // A change that does not fit is refused.
        let _ = unless_trouble(changed);
    }

    async fn resource_server(&mut self, engine: &Engine) {
        let (authority, context) = (&engine.authority, context());
        let identifier = format!("urn:api:{}", self.rng.random_range(0..RESOURCE_SERVERS));
        let lifetime = self.rng.random_range(60..600);
        let input = json!({"identifier": identifier, "name": "an API", "scopes": "notes.read", "access_token_lifetime": lifetime});
        let input: ResourceServerInput = serde_json::from_value(input).expect("settings");
        let settings = input.into_settings().expect("sound settings");
        let id = ResourceServerId::of(&identifier);
        let changed = match self.rng.random_range(0..10) {
            0..=4 => authority.register_resource_server(&context, settings).await.map(drop),
            5..=7 => authority.update_resource_server(&context, &id, settings).await,
            8 => authority.create_resource_server_credentials(&context, &id).await.map(drop),
            _ => authority.delete_resource_server(&context, &id).await,
        };
        // A change that does not fit is refused.
        let _ = unless_trouble(changed);
    }

    /// None, or one that may be registered.
    fn some_resource(&mut self) -> Vec<String> {
        let number = self.rng.random_range(0..5 * RESOURCE_SERVERS);
        if number < RESOURCE_SERVERS { vec![format!("urn:api:{number}")] } else { Vec::new() }
    }

    async fn api_key(&mut self, engine: &Engine) {
        if self.rng.random_bool(0.6) || self.api_keys.is_empty() {
            let made = engine.authority.create_api_key(&context(), "an API", Role::ResourceServer, None).await;
            self.api_keys.extend(unless_trouble(made).map(|(id, _)| id));
        } else {
            let id = self.api_keys.swap_remove(self.rng.random_range(0..self.api_keys.len()));
            assert!(unless_trouble(engine.authority.revoke_api_key(&context(), id).await).is_ok(), "it is there");
        }
    }
}

fn context() -> Context {
    Context::system()
}

fn metadata_of(json: serde_json::Value) -> ClientMetadata {
    serde_json::from_value::<ClientMetadataInput>(json).expect("metadata").into_metadata().expect("sound metadata")
}

/// A refusal is part of life; trouble is not.
fn unless_trouble<T, R>(outcome: Result<T, UseCaseError<R>>) -> Result<T, R> {
    match outcome {
        Ok(value) => Ok(value),
        Err(UseCaseError::Refused(refusal)) => Err(refusal),
        Err(UseCaseError::Trouble(trouble)) => panic!("{trouble}"),
    }
}
