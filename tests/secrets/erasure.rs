//! A person is put into a server by every way there is, erased, and then searched for.

use std::{fmt::Write as _, fs, path::Path};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use grantlog_core::{
    app::clock::{Clock, SystemClock},
    domain::Sealed,
    jose::{SigningKey, sign_jwt},
    keys::{MasterKey, Vault},
};
use grantlog_tests::{
    Pkce, merged,
    process::Installation,
    remote::{Remote, code_of, text},
};
use http::Method;
use reqwest::Client;
use serde_json::{Value, json};

use crate::{files, holds};

const ORIGIN: &str = "https://app.example.com";
const REQUESTS: &str = "/v1/authorization-requests";

/// Somebody, with everything that can be said of them.
struct Person {
    id: &'static str,
    name: &'static str,
    email: &'static str,
    phone: &'static str,
    street: &'static str,
    custom: &'static str,
    hint: &'static str,
}

const ANABELA: Person = Person {
    id: "person-4711-anabela",
    name: "Anabela Quintero",
    email: "anabela.quintero@example.com",
    phone: "+351 912 345 678",
    street: "Rua das Flores 117, Porto",
    custom: "badge-of-anabela-9921",
    hint: "hint-of-anabela@example.com",
};

const BERTRAND: Person = Person {
    id: "person-0815-bertrand",
    name: "Bertrand Moreau",
    email: "bertrand.moreau@example.com",
    phone: "+33 612 345 678",
    street: "Rue des Lilas 9, Lyon",
    custom: "badge-of-bertrand-1180",
    hint: "hint-of-bertrand@example.com",
};

impl Person {
    fn values(&self) -> [&'static str; 7] {
        [self.id, self.name, self.email, self.phone, self.street, self.custom, self.hint]
    }

    fn claims(&self) -> Value {
        json!({"name": self.name, "email": self.email, "phone_number": self.phone, "address": {"street_address": self.street},
            "badge": self.custom})
    }

    fn subject(&self) -> Value {
        json!({"id": self.id, "auth_time": 1_700_000_000, "organization_id": "acme", "roles": ["editor"], "claims": self.claims()})
    }
}

/// The forms in which a text may stand in a file: as it is, escaped for a URL, in hexadecimal digits, and in both base64 alphabets
/// at each of the three offsets that it can have in what is encoded.
fn forms(value: &str) -> Vec<Vec<u8>> {
    let percent: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let hexadecimal = value.bytes().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    let mut forms =
        vec![value.into(), percent.replace('+', "%20").into(), percent.into(), hexadecimal.to_uppercase().into(), hexadecimal.into()];
    for offset in 0..3 {
        let encoded = BASE64_URL_SAFE_NO_PAD.encode([vec![0; offset], value.into()].concat());
        // Characters that share bits with what stands before or after are left out.
        let first = [0, 2, 3][offset];
        let last = encoded.len() - usize::from(!(offset + value.len()).is_multiple_of(3));
        let inner = &encoded[first..last];
        forms.push(inner.into());
        forms.push(inner.replace('-', "+").replace('_', "/").into());
    }
    forms
}

fn is_in(content: &[u8], value: &str) -> bool {
    forms(value).iter().any(|form| content.windows(form.len()).any(|window| window == form))
}

/// What the application, its clients and its pages say to a server.
struct World<'a> {
    installation: &'a Installation,
    remote: &'a Remote,
    http: Client,
    jwt: Value,
    opaque: Value,
    page: Value,
    login: SigningKey,
}

impl<'a> World<'a> {
    async fn new(installation: &'a Installation, remote: &'a Remote) -> Self {
        let login = SigningKey::from_ed25519_seed(&[5; 32]);
        let jwk = merged(login.public_jwk().to_value(), json!({"kid": login.kid()}));
        let issuer = json!({"issuer": "https://login.example.com", "jwks": {"keys": [jwk]}, "audience": "grantlog", "algorithms": ["EdDSA"],
            "origins": [ORIGIN], "claims": {"passed_on": {"email": "/user/email", "name": "/user/name"}}});
        remote.call("admin", Method::POST, "/v1/trusted-issuers", Some(&issuer)).await.unwrap().expect(201);
        let client = async |members: Value| {
            let usual = json!({"client_name": "Weather by Mail", "redirect_uris": ["https://weather.example.com/callback"],
                "scope": "openid profile email phone address offline_access", "claims": {"access_token": {"badge": "{{ subject.claims.badge }}"}}});
            remote.register(&merged(usual, members)).await.unwrap().expect(201)
        };
        Self {
            installation,
            remote,
            http: Client::builder().no_proxy().build().unwrap(),
            jwt: client(json!({"access_token_format": "jwt", "claims_in_id_token": true})).await,
            opaque: client(json!({"access_token_format": "opaque"})).await,
            page: client(json!({"token_endpoint_auth_method": "none"})).await,
            login,
        }
    }

    fn query(client: &Value, person: &Person) -> String {
        let parameters = [
            ("response_type", "code"),
            ("client_id", &text(&client["client_id"])),
            ("scope", "openid profile email phone address offline_access"),
            ("login_hint", person.hint),
            ("code_challenge", Pkce::CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
    }

    async fn consent(&self, method: Method, path: &str, body: &Value) -> Value {
        self.remote.call("consent", method, path, Some(body)).await.unwrap().expect(200)
    }

    /// Attested with the request, which is sent twice under an idempotency key.
    async fn connect_at_once(&self, person: &Person) -> Value {
        let body = json!({"query": Self::query(&self.jwt, person), "subject": person.subject()});
        let send = async || {
            let request = self.http.post(format!("{}{REQUESTS}", self.installation.issuer())).bearer_auth(self.remote.key("consent"));
            let answer = request.header("idempotency-key", format!("\"{}\"", person.custom)).json(&body).send().await.unwrap();
            assert_eq!(answer.status(), 201);
            answer.json::<Value>().await.unwrap()
        };
        let request = send().await;
        assert_eq!(send().await["id"], request["id"]);
        let path = format!("{REQUESTS}/{}/decision", text(&request["id"]));
        let decided = self.consent(Method::POST, &path, &json!({"decision": "approve", "subject": person.subject()})).await;
        self.remote.redeem(&self.jwt, &code_of(&decided)).await.unwrap().expect(200)
    }

    /// Attested when they log in.
    async fn connect_later(&self, person: &Person) -> Value {
        let body = json!({"query": Self::query(&self.opaque, person)});
        let request = self.remote.call("consent", Method::POST, REQUESTS, Some(&body)).await.unwrap().expect(201);
        assert_eq!(request["hints"]["login_hint"], person.hint);
        let id = text(&request["id"]);
        self.consent(Method::PUT, &format!("{REQUESTS}/{id}/subject"), &json!({"subject": person.subject()})).await;
        let decided = self.consent(Method::POST, &format!("{REQUESTS}/{id}/decision"), &json!({"decision": "approve"})).await;
        self.remote.redeem(&self.opaque, &code_of(&decided)).await.unwrap().expect(200)
    }

    /// Attested by a token that a page presents.
    async fn connect_from_a_page(&self, person: &Person) {
        let now = SystemClock.now().as_seconds();
        let claims = json!({"iss": "https://login.example.com", "aud": "grantlog", "sub": person.id, "iat": now, "exp": now + 60,
            "auth_time": now, "user": {"email": person.email, "name": person.name}});
        let token = sign_jwt(&self.login, self.login.kid(), Some("JWT"), &claims);
        let post = async |path: &str, body: &Value| {
            let url = format!("{}{path}", self.installation.issuer());
            let answer = self.http.post(url).bearer_auth(&token).header("origin", ORIGIN).json(body).send().await.unwrap();
            assert!(answer.status().is_success(), "{path} {answer:?}");
            answer.json::<Value>().await.unwrap()
        };
        let request = post(REQUESTS, &json!({"query": Self::query(&self.page, person), "browser_binding": "b1nd1ng"})).await;
        post(&format!("{REQUESTS}/{}/decision", text(&request["id"])), &json!({"decision": "approve", "browser_binding": "b1nd1ng"})).await;
    }

    /// Everything that has a person's id or something personal in it.
    async fn life_of(&self, person: &Person) -> (Value, Value) {
        let (jwt, opaque) = (self.connect_at_once(person).await, self.connect_later(person).await);
        self.connect_from_a_page(person).await;
        let subject = format!("/v1/subjects/{}", person.id);
        self.consent(Method::PUT, &format!("{subject}/roles"), &json!({"organization_id": "acme", "roles": ["editor", "owner"]})).await;
        let grants = self.remote.call("consent", Method::GET, &format!("{subject}/grants"), None).await.unwrap().expect(200);
        assert_eq!(grants["grants"].as_array().map(Vec::len), Some(3));
        let elsewhere = format!("{subject}/organizations/elsewhere");
        self.remote.call("consent", Method::DELETE, &elsewhere, None).await.unwrap().expect(204);
        let refreshed = self.remote.refresh(&self.jwt, &text(&jwt["refresh_token"])).await.unwrap().expect(200);
        for tokens in [&refreshed, &opaque] {
            assert_eq!(self.userinfo(tokens).await["email"], person.email);
            let told = self.remote.introspect(&text(&tokens["access_token"])).await.unwrap().expect(200);
            assert_eq!((&told["sub"], &told["badge"]), (&json!(person.id), &json!(person.custom)));
        }
        // One request that nobody decides.
        let body = json!({"query": Self::query(&self.jwt, person), "subject": person.subject()});
        self.remote.call("consent", Method::POST, REQUESTS, Some(&body)).await.unwrap().expect(201);
        (refreshed, opaque)
    }

    async fn userinfo(&self, tokens: &Value) -> Value {
        let url = format!("{}/oauth2/userinfo", self.installation.issuer());
        let answer = self.http.get(url).bearer_auth(text(&tokens["access_token"])).send().await.unwrap();
        answer.json().await.unwrap_or_default()
    }

    async fn erase(&self, person: &Person) -> Value {
        let url = format!("{}/v1/subjects/{}/erase", self.installation.issuer(), person.id);
        let request = self.http.post(url).bearer_auth(self.remote.key("admin")).header("idempotency-key", "\"4c1b7e2e\"");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }
}

#[track_caller]
fn nothing_of(person: &Person, installation: &Installation) {
    let mut places = files(installation.data());
    assert!(places.iter().any(|(_, content)| holds(content, "Weather by Mail")), "the search finds what is there");
    let log = installation.stderr();
    assert!(log.contains("/v1/subjects/{id}/erase"), "the log is there to be searched: {log}");
    places.push(("the log".to_owned(), log.into_bytes()));
    for (place, content) in &places {
        for value in person.values() {
            assert!(!is_in(content, value), "{value} is in {place}");
        }
    }
}

/// Every sealed value in the log.
fn sealed_in(installation: &Installation) -> Vec<Sealed> {
    fn collect(value: &Value, found: &mut Vec<Sealed>) {
        if let Ok(sealed) = serde_json::from_value(value.clone()) {
            found.push(sealed);
        }
        match value {
            Value::Object(members) => members.values().for_each(|member| collect(member, found)),
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for line in installation.run("events", &["--json"]).lines() {
        collect(&serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")), &mut found);
    }
    found
}

/// The login hints that the vault holds, of all requests in the log.
async fn hints(installation: &Installation) -> Vec<String> {
    let vault = vault(installation);
    let mut hints = Vec::new();
    for id in vault.held_hints().await.unwrap() {
        hints.extend(vault.hint(id).await.unwrap());
    }
    hints
}

fn vault(installation: &Installation) -> Vault {
    let master = MasterKey::load_or_create(&installation.data().join("master.key")).unwrap();
    Vault::open(installation.data(), &master).unwrap()
}

async fn opened(installation: &Installation) -> Vec<(Sealed, Option<String>)> {
    let vault = vault(installation);
    let mut all = Vec::new();
    for sealed in sealed_in(installation) {
        let plain = vault.open_sealed(&sealed, "claims").await.unwrap();
        all.push((sealed, plain.map(|plain| String::from_utf8(plain.to_vec()).unwrap())));
    }
    all
}

#[test]
fn the_search_finds_every_form() {
    for value in ANABELA.values() {
        for content in [value.to_owned(), format!("\"{value}\"")] {
            for before in ["", "a", "ab"] {
                let whole = format!("{before}{content}!");
                for encoded in [BASE64_URL_SAFE_NO_PAD.encode(&whole), base64::prelude::BASE64_STANDARD.encode(&whole), whole] {
                    assert!(is_in(encoded.as_bytes(), value), "{value} in {encoded}");
                    assert!(!is_in(encoded.as_bytes(), BERTRAND.name));
                }
            }
        }
    }
}

#[tokio::test]
async fn of_an_erased_person_nothing_is_found_and_others_are_as_they_were() {
    let installation = Installation::new().logging("trace");
    let server = installation.start().await;
    let remote = Remote::of(&installation).await;
    let world = World::new(&installation, &remote).await;
    let (of_anabela, _) = world.life_of(&ANABELA).await;
    let (of_bertrand, _) = world.life_of(&BERTRAND).await;
    let erased = world.erase(&ANABELA).await;
    assert_eq!(world.erase(&ANABELA).await, erased, "a repetition, after she was forgotten");
    assert_eq!(erased["grants_ended"], 3);
    assert!(ANABELA.values().iter().all(|value| !is_in(erased.to_string().as_bytes(), value)));
    nothing_of(&ANABELA, &installation);
    assert!(!remote.is_active(&text(&of_anabela["access_token"])).await);
    assert_eq!(world.userinfo(&of_bertrand).await["name"], BERTRAND.name);
    server.stop().await;
    nothing_of(&ANABELA, &installation);
    installation.expect_sound();

    // Not even with the master key: what is sealed about her stays shut, and what is about him opens.
    let subject = text(&erased["subject_id"]);
    let all = opened(&installation).await;
    let (hers, his): (Vec<_>, Vec<_>) = all.iter().partition(|(sealed, _)| sealed.subject.to_string() == subject);
    assert!(hers.len() > 2 && his.len() > 2, "{} and {}", hers.len(), his.len());
    assert!(hers.iter().all(|(_, plain)| plain.is_none()));
    assert!(his.iter().all(|(_, plain)| plain.as_ref().is_some_and(|plain| plain.contains(BERTRAND.email))));

    assert_eq!(vault(&installation).find_subject(ANABELA.id).await.unwrap(), None);
    let hints = hints(&installation).await;
    assert!(!hints.is_empty() && hints.iter().all(|hint| hint == BERTRAND.hint), "{hints:?}");

    // What the log says of her still proves what it proved.
    let verified = installation.run("audit verify", &[]);
    assert!(verified.contains("everything fits"), "{verified}");
    let server = installation.start().await;
    assert_eq!(world.userinfo(&of_bertrand).await["name"], BERTRAND.name);
    let path = format!("/v1/audit/erasures/{}", text(&erased["id"]));
    assert_eq!(remote.call("admin", Method::GET, &path, None).await.unwrap().expect(200), erased, "after a restart too");
    server.stop().await;
}

fn copy(from: &Path, to: &Path, names: &[&str]) {
    fs::create_dir_all(to).unwrap();
    for name in names {
        for side in ["-wal", "-shm"] {
            let _ = fs::remove_file(to.join(format!("{name}{side}")));
        }
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

#[tokio::test]
async fn a_restored_vault_that_is_older_than_the_log_is_made_to_forget_again() {
    let installation = Installation::new().logging("trace");
    let backup = tempfile::tempdir().unwrap();
    let server = installation.start().await;
    let remote = Remote::of(&installation).await;
    let world = World::new(&installation, &remote).await;
    let (of_anabela, _) = world.life_of(&ANABELA).await;
    let (of_bertrand, _) = world.life_of(&BERTRAND).await;
    server.stop().await;
    copy(installation.data(), backup.path(), &["vault.db"]);
    let server = installation.start().await;
    let erased = world.erase(&ANABELA).await;
    server.stop().await;

    copy(backup.path(), installation.data(), &["vault.db"]);
    let subject = text(&erased["subject_id"]);
    let knows_her =
        async || opened(&installation).await.iter().any(|(sealed, plain)| sealed.subject.to_string() == subject && plain.is_some());
    assert!(knows_her().await, "the older vault brought her back");
    assert!(installation.expect_sound().contains("whom the vault still knows: 1"));
    installation.start().await.stop().await;
    assert!(!knows_her().await);
    assert!(!installation.expect_sound().contains("whom the vault still knows"));

    // The same when the master key is replaced in between.
    copy(backup.path(), installation.data(), &["vault.db"]);
    installation.run("keys rotate-master", &[]);
    let server = installation.start().await;
    assert!(!knows_her().await);
    assert!(!remote.is_active(&text(&of_anabela["access_token"])).await);
    assert_eq!(world.userinfo(&of_bertrand).await["name"], BERTRAND.name);
    let grants = remote.call("consent", Method::GET, &format!("/v1/subjects/{}/grants", ANABELA.id), None).await.unwrap();
    assert_eq!(grants.expect(200), json!({"grants": []}));
    server.stop().await;
}

#[tokio::test]
async fn an_erasure_that_a_restored_log_does_not_have_is_done_again_by_its_certificate() {
    let installation = Installation::new();
    let backup = tempfile::tempdir().unwrap();
    let server = installation.start().await;
    let remote = Remote::of(&installation).await;
    let world = World::new(&installation, &remote).await;
    let (of_anabela, _) = world.life_of(&ANABELA).await;
    let (of_bertrand, _) = world.life_of(&BERTRAND).await;
    server.stop().await;
    let all = ["events.db", "vault.db", "master.key"];
    copy(installation.data(), backup.path(), &all);
    let server = installation.start().await;
    let erased = world.erase(&ANABELA).await;
    server.stop().await;

    fs::remove_dir_all(installation.data()).unwrap();
    copy(backup.path(), installation.data(), &all);
    let subject = text(&erased["subject_id"]);
    let nobody = "01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10";
    let told = installation.run("erase", &[&subject, nobody]);
    let lines: Vec<_> = told.lines().collect();
    assert!(lines[0].starts_with(&format!("{subject} is erased")) && lines[0].contains("3 grants"), "{told}");
    assert_eq!(lines[1..], [format!("{nobody} is not in this log")]);
    assert_eq!(installation.run("erase", &[&subject, nobody]), told, "once more changes nothing");
    installation.expect_sound();
    let server = installation.start().await;
    assert!(!remote.is_active(&text(&of_anabela["access_token"])).await);
    assert_eq!(world.userinfo(&of_bertrand).await["name"], BERTRAND.name);
    let list = remote.call("admin", Method::GET, "/v1/audit/erasures", None).await.unwrap().expect(200);
    assert_eq!((list["erasures"].as_array().map(Vec::len), &list["erasures"][0]["subject_id"]), (Some(1), &json!(subject)));
    server.stop().await;
    let all = opened(&installation).await;
    assert!(all.iter().all(|(sealed, plain)| plain.is_some() == (sealed.subject.to_string() != subject)));
}
