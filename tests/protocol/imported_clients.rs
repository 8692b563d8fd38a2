//! Clients that came from another server, with their ids and secrets; and the rotation of secrets, theirs too.

use std::sync::Arc;

use futures::future::{join, join_all};
use grantlog_core::{
    app::{
        Context, UseCaseError,
        import::{ForeignClient, ForeignSecret, ImportMode, ImportRefusal, Imported},
    },
    domain::ClientId,
    keys::SecretHash,
    protocol::{ClientMetadata, ClientMetadataInput, SecretText},
};
use grantlog_tests::{Answer, Authorization, TestServer, merged, text};
use http::Method;
use serde_json::{Value, json};

/// Made of `correct horse`.
const HASHES: [&str; 4] = [
    "$2a$04$saltSALTsaltSALTsaltSeOcfLwWNJU6G1KzrtKufNKgtJ2lyfXOq",
    "$2y$04$saltSALTsaltSALTsaltSeOcfLwWNJU6G1KzrtKufNKgtJ2lyfXOq",
    "$pbkdf2-sha256$i=25000,l=32$c2FsdFNBTFRzYWx0U0FMVA$GzeDwF9pbywR4R5ujU7I4ydEFo+p7XT6qALg695Lg78",
    "$pbkdf2-sha256$i=10000$c2FsdFNBTFRzYWx0U0FMVA$zpb21KmD+omAI3nLoIthuUr+5Qpa/G8J4If7LBcwsGE",
];

fn metadata() -> ClientMetadata {
    let input = json!({"client_name": "Nightly Export", "client_type": "machine", "scope": "notes.read"});
    serde_json::from_value::<ClientMetadataInput>(input).unwrap().into_metadata().unwrap()
}

async fn import(server: &TestServer, id: &str, secret: ForeignSecret) -> Result<Value, ImportRefusal> {
    let client = ForeignClient { client_id: ClientId::from(id), metadata: metadata(), secret: Some(secret), suspended: None };
    match server.app.authority.import_client(&Context::system(), &client, ImportMode::default()).await {
        Ok(outcome) => {
            assert_eq!(outcome, Imported::New);
            Ok(server.admin(Method::GET, &format!("/v1/clients/{id}"), None).await.expect(200))
        }
        Err(UseCaseError::Refused(refusal)) => Err(refusal),
        Err(UseCaseError::Trouble(trouble)) => panic!("{trouble}"),
    }
}

async fn token(server: &TestServer, client: &Value, secret: &str) -> Answer {
    let client = merged(client.clone(), json!({"client_secret": secret}));
    server.as_client(&client, "/oauth2/token", &[("grant_type", "client_credentials")]).await
}

#[tokio::test]
async fn an_imported_client_gets_a_token_with_its_old_secret() {
    let server = TestServer::start().await;
    let hashes = HASHES.map(|hash| ForeignSecret::Hash(SecretHash::imported(hash).unwrap()));
    let secrets = hashes.into_iter().chain([ForeignSecret::Text(SecretText::from("correct horse"))]);
    for (number, secret) in secrets.enumerate() {
        let client = import(&server, &format!("imported-{number}"), secret).await.unwrap();
        assert_eq!((&client["registration"], &client["verified"]), (&json!("imported"), &json!(true)));
        // The first time it is found out, the second time it is known.
        for _ in 0..2 {
            let tokens = token(&server, &client, "correct horse").await.expect(200);
            assert!(server.is_active(text(&tokens, "access_token")).await);
            token(&server, &client, "correct horsf").await.expect_oauth_error(401, "invalid_client");
        }
    }
}

#[tokio::test]
async fn a_secret_in_plain_text_is_kept_as_argon2id() {
    let server = TestServer::start().await;
    import(&server, "imported", ForeignSecret::Text(SecretText::from("correct horse"))).await.unwrap();
    let events = server.events().await;
    let registered = events.iter().find(|recorded| recorded.stream.as_str() == "client-imported").unwrap();
    assert!(registered.event.data.contains("\"secret\":\"$argon2id$v=19$m=19456,t=2,p=1$"), "{}", registered.event.data);
    assert!(!registered.event.data.contains("correct horse"));
}

#[tokio::test]
async fn rfc9700_4_15_a_person_can_not_be_attested_under_the_id_of_an_imported_client() {
    let server = TestServer::start().await;
    import(&server, "ana", ForeignSecret::Text(SecretText::from("correct horse"))).await.unwrap();
    let client = server.client_with(json!({})).await;
    let query = Authorization::of(&server, &client, "openid").query();
    let refused = (400, "invalid_field".to_owned(), Some("subject.id".to_owned()));
    assert_eq!(server.create(&json!({"query": query, "subject": server.ana(0)})).await.problem(), refused);
    let request = server.create(&json!({"query": query})).await.expect(201);
    let id = text(&request, "id");
    assert_eq!(server.attest(id, &json!({"subject": server.ana(0)})).await.problem(), refused);
    assert_eq!(server.decide(id, &json!({"decision": "approve", "subject": server.ana(0)})).await.problem(), refused);
    // Not after its end either: tokens that it got may still name it.
    server.admin(Method::DELETE, "/v1/clients/ana", None).await.expect(204);
    assert_eq!(server.attest(id, &json!({"subject": server.ana(0)})).await.problem(), refused);
    let ben = json!({"id": "ben", "auth_time": server.now().as_seconds()});
    server.attest(id, &json!({"subject": ben})).await.expect(200);
}

#[tokio::test]
async fn rfc9700_4_15_a_client_is_not_imported_under_the_id_of_a_person() {
    let server = TestServer::start().await;
    let client = server.client_with(json!({})).await;
    Authorization::of(&server, &client, "openid").tokens().await;
    let refused = import(&server, "ana", ForeignSecret::Text(SecretText::from("correct horse"))).await.unwrap_err();
    assert_eq!(refused, ImportRefusal::IsASubject);
    server.admin(Method::GET, "/v1/clients/ana", None).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_flood_of_guesses_at_a_slow_hash_starves_nobody() {
    let server = Arc::new(TestServer::start().await);
    let usual = server.machine_client(json!({})).await;
    let slow = import(&server, "slow", ForeignSecret::Text(SecretText::from("correct horse"))).await.unwrap();
    // Who proved its secret before is not in the queue.
    token(&server, &slow, "correct horse").await.expect(200);
    let guesses = (0..300).map(|number| {
        let (server, slow) = (server.clone(), slow.clone());
        tokio::spawn(async move { token(&server, &slow, &format!("guess {number}")).await })
    });
    let guesses: Vec<_> = guesses.collect();
    tokio::task::yield_now().await;
    server.machine_token(&usual).await;
    token(&server, &slow, "correct horse").await.expect(200);
    let mut told_to_come_again = 0;
    for answer in join_all(guesses).await {
        let answer = answer.unwrap();
        match answer.status.as_u16() {
            401 => drop(answer.expect_oauth_error(401, "invalid_client")),
            // Whoever guesses is slowed down by address, too.
            429 => {}
            _ => {
                answer.expect_oauth_error(503, "temporarily_unavailable");
                assert!(answer.header("retry-after").is_some());
                told_to_come_again += 1;
            }
        }
    }
    assert!(told_to_come_again > 0);
}

/// Sends requests with these secrets while something is done, before and after it: all of them succeed.
async fn throughout<T>(server: &TestServer, client: &Value, secrets: &[&str], work: impl Future<Output = T>) -> T {
    let requests = async || {
        for answer in join_all(secrets.iter().flat_map(|secret| (0..4).map(|_| token(server, client, secret)))).await {
            answer.expect(200);
        }
    };
    requests().await;
    let (done, ()) = join(work, requests()).await;
    requests().await;
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn at_no_moment_of_a_rotation_does_a_valid_secret_fail() {
    let server = TestServer::start().await;
    let usual = server.machine_client(json!({})).await;
    let imported = import(&server, "imported", ForeignSecret::Hash(SecretHash::imported(HASHES[0]).unwrap())).await.unwrap();
    for (client, first) in [(&usual, text(&usual, "client_secret")), (&imported, "correct horse")] {
        let path = format!("/v1/clients/{}/secret-rotation", text(client, "client_id"));
        let complete = format!("{path}/complete");
        // Begun and cancelled: the first stays good all the time.
        let next = throughout(&server, client, &[first], server.admin(Method::POST, &path, None)).await.expect(201);
        let second = text(&next, "client_secret").to_owned();
        throughout(&server, client, &[first, &second], async {}).await;
        throughout(&server, client, &[first], server.admin(Method::DELETE, &path, None)).await.expect(204);
        token(&server, client, &second).await.expect_oauth_error(401, "invalid_client");
        // Begun and completed: the first is good until then, the second from its beginning on.
        let next = throughout(&server, client, &[first], server.admin(Method::POST, &path, None)).await.expect(201);
        let third = text(&next, "client_secret").to_owned();
        throughout(&server, client, &[first, &third], async {}).await;
        throughout(&server, client, &[&third], server.admin(Method::POST, &complete, None)).await.expect(204);
        token(&server, client, first).await.expect_oauth_error(401, "invalid_client");
    }
}
