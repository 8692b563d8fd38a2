//! Erasing a person: what ends, what is left, and the certificate about it.

use std::collections::BTreeSet;

use futures::future::join_all;
use grantlog_core::{
    app::{Context, directory::GrantDirectory},
    domain::SubjectId,
    jose::{Jwk, UnverifiedJwt, VerificationAlgorithm, VerifyingKey},
};
use grantlog_projections::live::State;
use grantlog_tests::{Answer, Authorization, TestServer, merged, parameters_of, text};
use http::Method;
use serde_json::{Value, json};

const ERASE: &str = "/v1/subjects/ana/erase";
const ERASURES: &str = "/v1/audit/erasures";

async fn erase(server: &TestServer) -> Answer {
    server.admin(Method::POST, ERASE, None).await
}

async fn erase_once(server: &TestServer, id: &str, key: &str) -> Answer {
    let (authorization, key) = (server.key("admin"), format!("\"{key}\""));
    let headers = [("authorization", authorization.as_str()), ("idempotency-key", &key)];
    server.request(Method::POST, &format!("/v1/subjects/{id}/erase"), &headers, "").await
}

async fn enforce_pending(server: &TestServer) {
    let live = server.app.live.clone();
    server.app.authority.enforce_pending(&Context::system(), &*live).await.unwrap();
}

async fn subject_of(server: &TestServer, external_id: &str) -> Option<SubjectId> {
    server.app.authority.vault().find_subject(external_id).await.unwrap()
}

async fn external_id(server: &TestServer, subject: SubjectId) -> Option<String> {
    server.app.authority.vault().external_id(subject).await.unwrap().map(|id| id.to_string())
}

/// How each grant in the log was revoked.
async fn revocations(server: &TestServer) -> Vec<String> {
    let revoked = server.recorded().await.into_iter().filter(|(kind, _)| kind == "grant.revoked");
    revoked.map(|(_, payload)| text(&payload, "reason").to_owned()).collect()
}

async fn count(server: &TestServer, kind: &str) -> usize {
    server.recorded().await.iter().filter(|(known, _)| known == kind).count()
}

fn bob(server: &TestServer) -> Value {
    json!({"id": "bob", "auth_time": server.now().as_seconds(), "claims": {"name": "Bob Moreau"}})
}

fn in_acme(server: &TestServer) -> Value {
    merged(server.ana(0), json!({"organization_id": "acme", "roles": ["editor"], "claims": {"name": "Ana Silva"}}))
}

/// Ana, connected with two clients, with one of them in two places.
struct Connected {
    server: TestServer,
    jwt: Value,
    opaque: Value,
    tokens: Vec<(Value, Value)>,
}

impl Connected {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let jwt = server.client_with(json!({"access_token_format": "jwt"})).await;
        let opaque = server.client_with(json!({"access_token_format": "opaque"})).await;
        let mut tokens = Vec::new();
        for (client, subject) in [(&jwt, None), (&opaque, None), (&jwt, Some(in_acme(&server)))] {
            let asked = Authorization::of(&server, client, "openid profile offline_access");
            let asked = match subject {
                Some(subject) => asked.subject(subject),
                None => asked,
            };
            tokens.push((client.clone(), asked.tokens().await));
        }
        Self { server, jwt, opaque, tokens }
    }

    async fn are_dead_on(&self, server: &TestServer) {
        for (client, tokens) in &self.tokens {
            let access_token = text(tokens, "access_token");
            assert_eq!(server.introspect(access_token).await, json!({"active": false}));
            let authorization = format!("Bearer {access_token}");
            let userinfo = server.request(Method::GET, "/oauth2/userinfo", &[("authorization", &authorization)], "").await;
            assert_eq!(userinfo.status, 401, "{userinfo:?}");
            server.refresh(client, text(tokens, "refresh_token")).await.expect_oauth_error(400, "invalid_grant");
        }
    }
}

#[tokio::test]
async fn everything_that_a_person_allowed_ends_and_nobody_knows_them_any_more() {
    let ana = Connected::new().await;
    let server = &ana.server;
    let bobs = Authorization::of(server, &ana.jwt, "openid profile").subject(bob(server)).tokens().await;
    let code = Authorization::of(server, &ana.opaque, "openid").code().await;
    let subject = subject_of(server, "ana").await.unwrap();

    let erased = erase(server).await.expect(200);
    assert_eq!((&erased["subject_id"], &erased["grants_ended"]), (&json!(subject.to_string()), &json!(3)));
    ana.are_dead_on(server).await;
    Authorization::of(server, &ana.opaque, "").redeem(&code).await.expect_oauth_error(400, "invalid_grant");
    assert_eq!(revocations(server).await, ["subject_erased", "subject_erased", "subject_erased"]);
    assert_eq!((subject_of(server, "ana").await, external_id(server, subject).await), (None, None));
    assert_eq!(server.grants("ana").await, Vec::<Value>::new());
    for path in ["/v1/subjects/ana/organizations/acme", ERASE] {
        let method = if path == ERASE { Method::POST } else { Method::DELETE };
        assert_eq!(server.admin(method, path, None).await.status, 404, "{path}");
    }

    let authorization = format!("Bearer {}", text(&bobs, "access_token"));
    let userinfo = server.request(Method::GET, "/oauth2/userinfo", &[("authorization", &authorization)], "").await.expect(200);
    assert_eq!(userinfo, json!({"sub": "bob", "name": "Bob Moreau"}), "others are as they were");
    let rebuilt: State = server.events().await.into_iter().collect();
    assert_eq!(rebuilt.digest(), server.app.live.digest().1);
}

#[tokio::test]
async fn whoever_was_never_attested_can_not_be_erased() {
    let server = TestServer::start().await;
    assert_eq!(erase(&server).await.problem(), (404, "not_found".to_owned(), Some("id".to_owned())));
    assert_eq!(erase_once(&server, "ana", "k").await.status, 404);
}

/// What a certificate says, proven with the keys that the ledger publishes.
async fn verified(server: &TestServer, certificate: &Value) -> Value {
    let keys = server.get("/ledger/keys").await.expect(200);
    let jwt = UnverifiedJwt::parse(certificate.as_str().unwrap()).unwrap();
    assert_eq!(jwt.header().typ.as_deref(), Some("grantlog-erasure+jwt"));
    let kid = jwt.header().kid.clone().unwrap();
    let jwk = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid.as_str()).unwrap();
    let key = VerifyingKey::from_jwk(&Jwk::from_value(jwk).unwrap()).unwrap();
    Value::Object(jwt.verify(&key, &[VerificationAlgorithm::EdDsa]).unwrap())
}

#[tokio::test]
async fn the_certificate_says_what_was_done_and_not_to_whom() {
    let ana = Connected::new().await;
    let server = &ana.server;
    let answer = erase(server).await;
    let position = answer.header("grantlog-position").unwrap().parse::<u64>().unwrap();
    let erased = answer.expect(200);
    let claims = verified(server, &erased["certificate"]).await;
    let now = server.now().as_seconds();
    let size = claims["checkpoint"]["size"].as_u64().unwrap();
    let keys = server.call("admin", Method::GET, "/v1/api-keys", None).await.expect(200);
    let expected = json!({
        "iss": "https://auth.example.com", "jti": erased["id"], "sub": erased["subject_id"], "iat": now, "erased_at": now,
        "erased_by": format!("api_key:{}", text(&keys["api_keys"][0], "id")),
        "position": position - 4, "completed_position": position, "grants_ended": 3,
        "checkpoint": {"origin": "auth.example.com", "size": size, "root": claims["checkpoint"]["root"]},
    });
    assert_eq!(claims, expected);
    assert_eq!((&erased["position"], &erased["erased_by"]), (&claims["position"], &claims["erased_by"]));
    assert!(size >= position);
    // The checkpoint is one that was signed, and the event is in it.
    let path = format!("/v1/audit/proofs/inclusion?position={}&size={size}", position - 4);
    let proof = server.call("auditor", Method::GET, &path, None).await.expect(200);
    assert_eq!(text(&proof, "checkpoint").lines().nth(2), claims["checkpoint"]["root"].as_str());
    let told = erased.to_string() + &claims.to_string();
    assert!(!told.contains("ana") && !told.contains("Silva"), "{told}");
}

#[tokio::test]
async fn a_certificate_can_be_had_again_and_is_the_same() {
    let ana = Connected::new().await;
    let server = &ana.server;
    let erased = erase(server).await.expect(200);
    server.client_with(json!({})).await;
    server.call("auditor", Method::POST, "/v1/audit/checkpoints", None).await.expect(200);
    server.advance(100_000);
    for role in ["auditor", "admin"] {
        let read = server.call(role, Method::GET, &format!("{ERASURES}/{}", text(&erased, "id")), None).await.expect(200);
        assert_eq!(read, erased);
    }
    let list = server.call("auditor", Method::GET, ERASURES, None).await.expect(200);
    let entry = merged(erased.clone(), json!({"certificate": null, "completed_at": null, "erased_by": null}));
    assert_eq!(list, json!({"erasures": [entry], "next_cursor": null}));
    let missing = format!("{ERASURES}/01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10");
    assert_eq!(server.call("auditor", Method::GET, &missing, None).await.status, 404);
    let wrong = server.call("auditor", Method::GET, &format!("{ERASURES}?cursor=x"), None).await;
    assert_eq!(wrong.problem(), (400, "invalid_field".to_owned(), Some("cursor".to_owned())));
}

#[tokio::test]
async fn erasures_are_listed_in_pages() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    for person in ["a", "b", "c"] {
        Authorization::of(&server, &client, "openid").subject(merged(server.ana(0), json!({"id": person}))).tokens().await;
        server.advance(1);
        erase_once(&server, person, person).await.expect(200);
    }
    let page = async |query: &str| server.call("auditor", Method::GET, &format!("{ERASURES}{query}"), None).await.expect(200);
    let all = page("").await;
    let first = page("?limit=2").await;
    let second = page(&format!("?limit=2&cursor={}", text(&first, "next_cursor"))).await;
    let paged: Vec<_> = [&first, &second].into_iter().flat_map(|page| page["erasures"].as_array().unwrap().clone()).collect();
    assert_eq!((json!(paged), &second["next_cursor"], paged.len()), (all["erasures"].clone(), &Value::Null, 3));
}

#[tokio::test]
async fn a_repetition_under_its_idempotency_key_gets_the_same_certificate_and_erases_nobody_else() {
    let ana = Connected::new().await;
    let server = &ana.server;
    let erased = erase_once(server, "ana", "k").await.expect(200);
    assert_eq!(erase_once(server, "ana", "k").await.expect(200), erased);
    // The next who is called so is somebody else, and is not who was meant.
    let again = Authorization::of(server, &ana.jwt, "openid").tokens().await;
    assert_eq!(erase_once(server, "ana", "k").await.expect(200), erased);
    assert!(server.is_active(text(&again, "access_token")).await);
    assert_eq!(erase_once(server, "bob", "k").await.problem().0, 422);
    let other = erase_once(server, "ana", "another").await.expect(200);
    assert_ne!(other["subject_id"], erased["subject_id"]);
    assert!(!server.is_active(text(&again, "access_token")).await);
}

#[tokio::test]
async fn what_the_log_keeps_of_an_idempotency_key_does_not_tell_who_was_meant() {
    let hash = async |key: &str| {
        let server = TestServer::start().await;
        erase_once(&server, "ana", key).await;
        let used = server.recorded().await.into_iter().find(|(kind, _)| kind == "idempotency_key.used").unwrap();
        text(&used.1, "request_hash").to_owned()
    };
    // The same request on the same server with the same keys: without the caller's key nobody can try names.
    assert_ne!(hash("one").await, hash("other").await);
    assert_eq!(hash("one").await, hash("one").await);
}

#[tokio::test]
async fn whoever_comes_under_the_same_id_later_is_somebody_new() {
    let ana = Connected::new().await;
    let server = &ana.server;
    let subject = subject_of(server, "ana").await.unwrap();
    erase(server).await.expect(200);
    let asked = Authorization::of(server, &ana.jwt, "openid profile offline_access").start().await;
    assert_eq!((&asked["next"], &asked["consent_reason"]), (&json!("consent"), &json!("first_time")));
    let tokens = Authorization::of(server, &ana.jwt, "openid profile").tokens().await;
    assert!(server.is_active(text(&tokens, "access_token")).await);
    assert_ne!(subject_of(server, "ana").await, Some(subject));
    assert_eq!((server.grants("ana").await.len(), external_id(server, subject).await), (1, None));
    ana.are_dead_on(server).await;
}

/// What the client is told, and why.
fn denial(request: &Value) -> (&str, &str) {
    (text(&request["error"], "code"), text(request, "denied_because"))
}

#[tokio::test]
async fn a_request_that_is_under_way_comes_to_nothing() {
    let ana = Connected::new().await;
    let server = &ana.server;
    let asked = || Authorization::of(server, &ana.opaque, "openid email");
    let waiting = asked().start().await;
    let interrupted = asked().start().await;
    server.store.allow_appends(Some(1));
    assert_eq!(server.decide(text(&interrupted, "id"), &json!({"decision": "approve"})).await.status, 503);
    server.store.allow_appends(None);
    erase(server).await.expect(200);

    let shown = server.read(text(&waiting, "id")).await.expect(200);
    assert_eq!(shown["subject"], Value::Null);
    let refused = server.decide(text(&waiting, "id"), &json!({"decision": "approve"})).await;
    let told = refused.expect_problem(409, "conflict")["authorization_request"].clone();
    assert_eq!(denial(&told), ("access_denied", "subject_erased"));
    let withdrawn = server.read(text(&interrupted, "id")).await.expect(200);
    assert_eq!(denial(&withdrawn), ("access_denied", "subject_erased"));
    assert_eq!(parameters_of(&withdrawn["redirect_to"])["error"], "access_denied");
    assert_eq!(count(server, "grant.opened").await, 3);
}

#[tokio::test]
async fn an_erasure_that_stops_anywhere_holds_at_once_and_is_completed_later() {
    // The event, three grants, the note.
    for appends in 0..=5 {
        let ana = Connected::new().await;
        let subject = subject_of(&ana.server, "ana").await.unwrap();
        ana.server.store.allow_appends(Some(appends));
        let status = erase(&ana.server).await.status.as_u16();
        assert_eq!(status, if appends < 5 { 503 } else { 200 }, "{appends}");
        ana.server.store.allow_appends(None);
        if appends == 0 {
            let (_, tokens) = &ana.tokens[0];
            assert!(ana.server.is_active(text(tokens, "access_token")).await, "nothing was done");
            continue;
        }
        ana.are_dead_on(&ana.server).await;
        assert_eq!(server_knows(&ana.server, subject).await, (None, None), "{appends}");
        let Connected { server, jwt, opaque, tokens } = ana;
        let restarted = server.restart().await;
        let ana = Connected { server: restarted, jwt, opaque, tokens };
        ana.are_dead_on(&ana.server).await;
        enforce_pending(&ana.server).await;
        assert_eq!(revocations(&ana.server).await, ["subject_erased"; 3], "{appends}");
        let list = ana.server.call("auditor", Method::GET, ERASURES, None).await.expect(200);
        assert_eq!((list["erasures"].as_array().unwrap().len(), &list["erasures"][0]["grants_ended"]), (1, &json!(3)), "{appends}");
        let path = format!("{ERASURES}/{}", text(&list["erasures"][0], "id"));
        let read = ana.server.call("auditor", Method::GET, &path, None).await.expect(200);
        assert_eq!(verified(&ana.server, &read["certificate"]).await["grants_ended"], 3);
        let length = ana.server.events().await.len();
        enforce_pending(&ana.server).await;
        assert_eq!((erase(&ana.server).await.status.as_u16(), ana.server.events().await.len()), (404, length), "{appends}");
    }
}

async fn server_knows(server: &TestServer, subject: SubjectId) -> (Option<SubjectId>, Option<String>) {
    (subject_of(server, "ana").await, external_id(server, subject).await)
}

#[tokio::test]
async fn a_repetition_completes_what_was_interrupted() {
    for appends in 2..6 {
        let ana = Connected::new().await;
        // One of them is for the idempotency key.
        ana.server.store.allow_appends(Some(appends));
        assert_eq!(erase_once(&ana.server, "ana", "k").await.status, 503, "{appends}");
        ana.server.store.allow_appends(None);
        let list = ana.server.call("auditor", Method::GET, ERASURES, None).await.expect(200);
        let pending = &list["erasures"][0];
        assert_eq!(pending["grants_ended"], Value::Null, "{appends}");
        let path = format!("{ERASURES}/{}", text(pending, "id"));
        let read = ana.server.call("auditor", Method::GET, &path, None).await.expect(200);
        assert_eq!((&read["certificate"], &read["completed_at"]), (&Value::Null, &Value::Null));
        let erased = erase_once(&ana.server, "ana", "k").await.expect(200);
        assert_eq!((&erased["grants_ended"], &erased["id"]), (&json!(3), &pending["id"]), "{appends}");
        assert_eq!((count(&ana.server, "subject.erased").await, revocations(&ana.server).await.len()), (1, 3));
    }
}

#[tokio::test]
async fn many_at_once_erase_once() {
    let ana = Connected::new().await;
    let answers = join_all((0..8).map(|_| erase(&ana.server))).await;
    let certificates: BTreeSet<_> = answers.iter().filter(|answer| answer.status == 200).map(|answer| answer.json().to_string()).collect();
    assert_eq!(certificates.len(), 1);
    assert!(answers.iter().all(|answer| [200, 404].contains(&answer.status.as_u16())), "{answers:?}");
    assert_eq!((count(&ana.server, "subject.erased").await, count(&ana.server, "subject.erasure_completed").await), (1, 1));
}

#[tokio::test]
async fn consents_that_race_with_an_erasure_leave_nothing_to_the_person() {
    for round in 0..10_u32 {
        let server = TestServer::start().await;
        let client = server.confidential_client().await;
        Authorization::of(&server, &client, "openid").tokens().await;
        let first = subject_of(&server, "ana").await.unwrap();
        let decide = async |late: u32| {
            let asked = server
                .create(&json!({"query": Authorization::of(&server, &client, "openid email").query(), "subject": server.ana(0)}))
                .await;
            for _ in 0..late * round {
                tokio::task::yield_now().await;
            }
            if asked.status == 201 {
                server.decide(text(&asked.json(), "id"), &json!({"decision": "approve"})).await;
            }
        };
        let (erased, (), (), ()) = tokio::join!(erase(&server), decide(1), decide(3), decide(7));
        assert_eq!(erased.status, 200, "{erased:?}");
        enforce_pending(&server).await;
        let live = server.app.live.clone();
        assert_eq!((live.grants_of(first), live.pending_subjects()), (vec![], vec![]), "round {round}");
        assert_eq!(external_id(&server, first).await, None);
    }
}

#[tokio::test]
async fn a_vault_that_is_older_than_the_log_brings_nobody_back() {
    let ana = Connected::new().await;
    let subject = subject_of(&ana.server, "ana").await.unwrap();
    erase(&ana.server).await.expect(200);
    // As an older vault has it.
    let restore = async |server: &TestServer| server.app.authority.vault().register_subject("ana", subject).await.unwrap();
    restore(&ana.server).await;
    assert_eq!(ana.server.grants("ana").await, Vec::<Value>::new());
    assert_eq!(ana.server.admin(Method::DELETE, "/v1/subjects/ana/organizations/acme", None).await.status, 404);
    let again = Authorization::of(&ana.server, &ana.jwt, "openid").start().await;
    assert_eq!(again["consent_reason"], "first_time");
    assert_ne!(subject_of(&ana.server, "ana").await, Some(subject));
    assert_eq!(external_id(&ana.server, subject).await, None);
    // And a start forgets them before anybody is let in.
    erase(&ana.server).await.expect(200);
    restore(&ana.server).await;
    let restarted = ana.server.restart().await;
    assert_eq!(server_knows(&restarted, subject).await, (None, None));
}

#[tokio::test]
async fn where_a_person_is_not_known_any_more_lists_say_null() {
    let ana = Connected::new().await;
    let server = &ana.server;
    Authorization::of(server, &ana.jwt, "openid").subject(merged(bob(server), json!({"organization_id": "acme"}))).tokens().await;
    let subject = subject_of(server, "ana").await.unwrap();
    // The key is gone, and the grants are still to be revoked; or the vault is older than the person.
    server.app.authority.vault().forget_subject(subject).await.unwrap();
    let path = format!("/v1/organizations/acme/connected-apps/{}", text(&ana.jwt, "client_id"));
    let connected = server.call("auditor", Method::GET, &path, None).await.expect(200);
    let people: Vec<_> = connected["connected_by"].as_array().unwrap().iter().map(|person| &person["id"]).collect();
    assert_eq!((people, &connected["people"]), (vec![&Value::Null, &json!("bob")], &json!(2)));
    let policy = json!({"third_party": {"mode": "none_allowed"}});
    let cut_off = server.admin(Method::PUT, "/v1/organizations/acme/policy?dry_run=true", Some(&policy)).await.expect(200);
    let people: Vec<_> = cut_off["grants"].as_array().unwrap().iter().map(|grant| &grant["subject"]).collect();
    assert_eq!((people, &cut_off["cut_off"]), (vec![&Value::Null, &json!("bob")], &json!(2)));
    ana.are_dead_on(server).await;
}
