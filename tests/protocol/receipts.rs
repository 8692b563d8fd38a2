//! Consent receipts: given by a server, checked by what has nothing but the key.

use grantlog_core::{
    app::receipts::{ConsentReceipt, ReceiptError},
    jose::SigningKey,
    ledger::VerifierKey,
};
use grantlog_tests::{Answer, Authorization, TestServer, text};
use http::Method;
use serde_json::{Value, json};

async fn receipt(server: &TestServer, role: &str, query: &str) -> Answer {
    let grants = server.call("auditor", Method::GET, "/v1/audit/consents?subject=ana&include_ended=true", None).await.expect(200);
    let grant = text(&grants["grants"][0], "grant_id").to_owned();
    server.call(role, Method::GET, &format!("/v1/audit/consents/{grant}/receipt{query}"), None).await
}

fn key(server: &TestServer) -> VerifierKey {
    server.app.ledger.verifier_key().clone()
}

/// A person agrees to something, later to more, and then ends it.
async fn story() -> (TestServer, Value) {
    let server = TestServer::start().await;
    let client = server.client_with(json!({"scope": "openid email notes.read", "policy_uri": "https://weather.example/privacy"})).await;
    let shown = json!({"ui_build": "42", "locale": "de", "texts_sha256": "6a".repeat(32)});
    let request = Authorization::of(&server, &client, "openid email").start().await;
    let decision = json!({"decision": "approve", "shown": shown});
    let path = format!("/v1/authorization-requests/{}/decision", text(&request, "id"));
    server.call("consent", Method::POST, &path, Some(&decision)).await.expect(200);
    server.advance(60);
    Authorization::of(&server, &client, "openid email notes.read").approve().await;
    (server, client)
}

#[tokio::test]
async fn iso27560_a_receipt_says_what_was_agreed_by_whom_to_whom_and_what_they_saw() {
    let (server, client) = story().await;
    let answer = receipt(&server, "consent", "").await.expect(200);
    assert_eq!((&answer["@type"], &answer["header"]["pii_principal_id"]), (&json!("dpv:ConsentReceipt"), &json!("ana")));
    let purposes: Vec<_> = answer["processing"]["purposes"].as_array().unwrap().iter().map(|purpose| text(purpose, "scope")).collect();
    assert_eq!(purposes, ["email", "notes.read", "openid"]);
    assert_eq!(text(&answer["processing"]["purposes"][0], "description"), "See your e-mail address");
    assert_eq!(answer["processing"]["lawful_basis"], "dpv:Consent");
    let recipient = &answer["parties"][1];
    assert_eq!([&recipient["role"], &recipient["party_id"]], [&json!("recipient"), &client["client_id"]]);
    assert_eq!(recipient["privacy_notice"], "https://weather.example/privacy");
    let events: Vec<_> = answer["events"].as_array().unwrap().iter().map(|event| text(event, "event_type")).collect();
    assert_eq!(events, ["opened", "given", "given"]);
    let read = ConsentReceipt::verify(&answer.to_string(), &[key(&server)]).unwrap();
    assert_eq!(read.evidence.len(), 3);
    // As it was before more was asked.
    let first = receipt(&server, "auditor", "?as_of=2026-03-03T14:00:30Z").await.expect(200);
    assert_eq!(first["processing"]["purposes"].as_array().unwrap().len(), 2);
    assert_eq!(first["processing"]["shown"]["locale"], "de");
    ConsentReceipt::verify(&first.to_string(), &[key(&server)]).unwrap();
}

#[tokio::test]
async fn a_receipt_of_what_is_over_says_how_it_ended() {
    let (server, _) = story().await;
    let grant = text(&server.grants("ana").await[0], "id").to_owned();
    server.call("consent", Method::DELETE, &format!("/v1/subjects/ana/grants/{grant}"), None).await.expect(204);
    let answer = receipt(&server, "auditor", "").await.expect(200);
    assert_eq!(answer["processing"]["purposes"], json!([]));
    let last = answer["events"].as_array().unwrap().last().unwrap();
    assert_eq!([&last["event_state"], &last["reason"]], [&json!("dpv:ConsentWithdrawn"), &json!("disconnected")]);
    ConsentReceipt::verify(&answer.to_string(), &[key(&server)]).unwrap();
}

#[tokio::test]
async fn a_receipt_of_an_erased_person_does_not_name_them() {
    let (server, _) = story().await;
    let before = receipt(&server, "auditor", "").await.expect(200);
    server.call("admin", Method::POST, "/v1/subjects/ana/erase", None).await.expect(200);
    let grant = text(&before["header"], "record_id");
    let path = format!("/v1/audit/consents/{grant}/receipt");
    let after = server.call("auditor", Method::GET, &path, None).await.expect(200);
    assert_eq!((&after["header"]["pii_principal_id"], &after["processing"]["purposes"]), (&Value::Null, &json!([])));
    ConsentReceipt::verify(&after.to_string(), &[key(&server)]).unwrap();
    // What the person has in their hands stays good.
    ConsentReceipt::verify(&before.to_string(), &[key(&server)]).unwrap();
}

#[tokio::test]
async fn whatever_is_changed_in_a_receipt_is_found() {
    let (server, _) = story().await;
    let good = receipt(&server, "auditor", "").await.expect(200);
    let keys = [key(&server)];
    let check = |document: &Value| ConsentReceipt::verify(&document.to_string(), &keys).unwrap_err();
    let changes: [(&str, Value); 7] = [
        ("/header/pii_principal_id", json!("ben")),
        ("/header/issued_at", json!("2026-03-03T14:00:00.000Z")),
        ("/processing/purposes/0/description", json!("Nothing much")),
        ("/parties/1/name", json!("Another")),
        ("/events/1/event_time", json!("2026-03-03T14:00:00.001Z")),
        ("/evidence/0/index", json!(0)),
        ("/@context/dpv", json!("https://elsewhere.example/")),
    ];
    for (path, value) in changes {
        let mut changed = good.clone();
        *changed.pointer_mut(path).unwrap() = value;
        assert_eq!(check(&changed), ReceiptError::BadSignature, "{path}");
    }
    let mut unsigned = good.clone();
    unsigned.as_object_mut().unwrap().remove("signature");
    assert_eq!(check(&unsigned), ReceiptError::Unsigned);
    let public = SigningKey::from_ed25519_seed(&[9; 32]).ed25519_public().unwrap();
    let stranger = VerifierKey::new("auth.example.com", public).unwrap();
    assert_eq!(ConsentReceipt::verify(&good.to_string(), &[stranger]).unwrap_err(), ReceiptError::Unsigned);
}

/// What is done to a receipt.
type Change<'a> = &'a dyn Fn(&mut Value);

/// Somebody with the key of the log signs what the log does not say.
#[tokio::test]
async fn a_signed_receipt_that_does_not_say_what_its_events_say_is_refused() {
    let (server, _) = story().await;
    let good = receipt(&server, "auditor", "").await.expect(200);
    let sign = async |change: Change<'_>| {
        let mut document = good.clone();
        document.as_object_mut().unwrap().remove("signature");
        change(&mut document);
        let receipt: ConsentReceipt = serde_json::from_value(document).unwrap();
        let signed = server.app.authority.sign_receipt(receipt).await.unwrap();
        ConsentReceipt::verify(&serde_json::to_string(&signed).unwrap(), &[key(&server)])
    };
    assert!(sign(&|_| {}).await.is_ok());
    let drop_last = |document: &mut Value, member: &str| drop(document[member].as_array_mut().unwrap().pop());
    let wrong: [(&str, Change<'_>); 6] = [
        ("the purposes", &|document| drop(document["processing"]["purposes"].as_array_mut().unwrap().remove(0))),
        ("the list of events", &|document| drop_last(document, "events")),
        ("the list of events", &|document| document["events"][1]["event_type"] = json!("granted_without_asking")),
        ("the person", &|document| document["header"]["subject_id"] = json!("01932d5e-6f00-7b11-9c52-6a1d2f3e4b5c")),
        ("the client", &|document| document["parties"][1]["party_id"] = json!("somebody_else")),
        ("the lawful basis", &|document| drop(document["processing"].as_object_mut().unwrap().remove("lawful_basis"))),
    ];
    for (what, change) in wrong {
        assert_eq!(sign(change).await.unwrap_err(), ReceiptError::OtherEvents(what));
    }
    let earlier = |document: &mut Value| document["header"]["position"] = json!(1);
    assert!(matches!(sign(&earlier).await.unwrap_err(), ReceiptError::OtherEvents(_)));
    let of_another = |document: &mut Value| document["header"]["record_id"] = json!("01932d5e-6f00-7b11-9c52-6a1d2f3e4b5c");
    assert!(matches!(sign(&of_another).await.unwrap_err(), ReceiptError::OtherEvents(_)));
    let broken = |document: &mut Value| document["evidence"][1]["hashes"] = json!([]);
    assert!(matches!(sign(&broken).await.unwrap_err(), ReceiptError::Proof { index: 1, .. }));
}

#[tokio::test]
async fn a_receipt_is_a_question_and_recorded_as_one() {
    let (server, _) = story().await;
    receipt(&server, "consent", "").await.expect(200);
    let reads = server.call("auditor", Method::GET, "/v1/audit/events?subject=ana&type=audit.read&order=desc", None).await.expect(200);
    let asked: Vec<_> = reads["events"].as_array().unwrap().iter().map(|event| event["data"]["what"].clone()).collect();
    assert!(asked.contains(&json!("consent_receipt")), "{asked:?}");
    server.call("resource_server", Method::GET, "/v1/audit/consents/01932d5e-6f00-7b11-9c52-6a1d2f3e4b5c/receipt", None).await.expect(403);
    server.call("auditor", Method::GET, "/v1/audit/consents/01932d5e-6f00-7b11-9c52-6a1d2f3e4b5c/receipt", None).await.expect(404);
}
