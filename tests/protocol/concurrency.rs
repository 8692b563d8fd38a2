//! Many at once, on real threads: what must be decided once is.

use std::{collections::BTreeSet, sync::Arc};

use futures::future::join_all;
use grantlog_tests::{Answer, Authorization, TestServer, parameters_of};
use http::Method;
use serde_json::{Value, json};
use tokio::{sync::Barrier, task::JoinHandle};

const MANY: usize = 50;

async fn setup() -> (Arc<TestServer>, Arc<Value>) {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    (Arc::new(server), Arc::new(client))
}

fn text(tokens: &Value, member: &str) -> String {
    tokens[member].as_str().unwrap_or_else(|| panic!("no {member} in {tokens}")).to_owned()
}

/// Starts `count` of them, which set out together.
async fn together<F>(count: usize, make: impl Fn(usize) -> F) -> Vec<Answer>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(count));
    let started = (0..count).map(|number| {
        let (barrier, call) = (barrier.clone(), make(number));
        tokio::spawn(async move {
            barrier.wait().await;
            call.await
        })
    });
    let started: Vec<JoinHandle<Answer>> = started.collect();
    join_all(started).await.into_iter().map(|answer| answer.expect("no panic")).collect()
}

fn refresh(server: &Arc<TestServer>, client: &Arc<Value>, token: &str) -> impl Future<Output = Answer> + Send + use<> {
    let (server, client, token) = (server.clone(), client.clone(), token.to_owned());
    async move { server.refresh(&client, &token).await }
}

fn redeem(server: &Arc<TestServer>, client: &Arc<Value>, code: &str) -> impl Future<Output = Answer> + Send + use<> {
    let (server, client, code) = (server.clone(), client.clone(), code.to_owned());
    async move { Authorization::of(&server, &client, "").redeem(&code).await }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_refreshes_of_one_token_all_get_the_same_successor() {
    let (server, client) = setup().await;
    let tokens = Authorization::of(&server, &client, "openid offline_access").tokens().await;
    let token = text(&tokens, "refresh_token");
    let answers = together(MANY, |_| refresh(&server, &client, &token)).await;
    let answers: Vec<_> = answers.iter().map(|answer| answer.expect(200)).collect();
    let successors: BTreeSet<_> = answers.iter().map(|answer| text(answer, "refresh_token")).collect();
    let access_tokens: BTreeSet<_> = answers.iter().map(|answer| text(answer, "access_token")).collect();
    assert_eq!((successors.len(), access_tokens.len()), (1, MANY));
    for access_token in &access_tokens {
        assert!(server.is_active(access_token).await);
    }
    server.refresh(&client, successors.first().unwrap()).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rfc9700_4_14_2_without_grace_one_refresh_wins_and_the_others_end_the_family() {
    let (server, client) = setup().await;
    server.change(&client, json!({"refresh_grace": 0})).await;
    let tokens = Authorization::of(&server, &client, "openid offline_access").tokens().await;
    let token = text(&tokens, "refresh_token");
    let answers = together(MANY, |_| refresh(&server, &client, &token)).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, MANY - 1));
    lost.iter().for_each(|answer| drop(answer.expect_oauth_error(400, "invalid_grant")));
    let winner = won[0].json();
    assert!(!server.is_active(&text(&winner, "access_token")).await);
    server.refresh(&client, &text(&winner, "refresh_token")).await.expect_oauth_error(400, "invalid_grant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revoke_beats_every_refresh_that_races_it() {
    let (server, client) = setup().await;
    for round in 0..10 {
        let tokens = Authorization::of(&server, &client, "openid offline_access").tokens().await;
        let token = text(&tokens, "refresh_token");
        let revoker = round % 8;
        let answers = together(8, |number| {
            let (server, client, token) = (server.clone(), client.clone(), token.clone());
            async move {
                if number == revoker {
                    return server.as_client(&client, "/oauth2/revoke", &[("token", &token)]).await;
                }
                server.refresh(&client, &token).await
            }
        })
        .await;
        let (mut revoked, mut refreshed) = (0, vec![tokens]);
        for (number, answer) in answers.iter().enumerate() {
            match (number == revoker, answer.status.as_u16()) {
                (true, 200) => revoked += 1,
                (false, 200) => refreshed.push(answer.json()),
                _ => drop(answer.expect_oauth_error(400, "invalid_grant")),
            }
        }
        assert_eq!(revoked, 1);
        // Whoever came first: afterwards all is dead.
        for tokens in &refreshed {
            assert!(!server.is_active(&text(tokens, "access_token")).await);
            server.refresh(&client, &text(tokens, "refresh_token")).await.expect_oauth_error(400, "invalid_grant");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rfc6749_4_1_2_of_two_redemptions_of_one_code_one_wins_and_its_family_is_ended_by_the_other() {
    let (server, client) = setup().await;
    for _ in 0..10 {
        let code = Authorization::of(&server, &client, "openid offline_access").code().await;
        let answers = together(2, |_| redeem(&server, &client, &code)).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!((won.len(), lost.len()), (1, 1), "{answers:?}");
        lost[0].expect_oauth_error(400, "invalid_grant");
        let tokens = won[0].json();
        assert!(!server.is_active(&text(&tokens, "access_token")).await);
        server.refresh(&client, &text(&tokens, "refresh_token")).await.expect_oauth_error(400, "invalid_grant");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn first_consents_at_the_same_moment_end_in_one_grant() {
    let (server, client) = setup().await;
    let mut ids = Vec::new();
    for scope in ["openid email", "openid notes.read", "openid", "email offline_access"] {
        ids.push(text(&Authorization::of(&server, &client, scope).start_without_subject().await.expect(201), "id"));
    }
    let answers = together(ids.len(), |number| {
        let (server, id) = (server.clone(), ids[number].clone());
        async move { server.decide(&id, &json!({"decision": "approve", "subject": server.ana(0)})).await }
    })
    .await;
    for answer in &answers {
        let request = answer.expect(200);
        let code = &parameters_of(&request["redirect_to"])["code"];
        redeem(&server, &client, code).await.expect(200);
    }
    let grants = server.call("consent", Method::GET, "/v1/subjects/ana/grants", None).await.expect(200);
    let [grant] = grants["grants"].as_array().unwrap().as_slice() else { panic!("{grants}") };
    assert_eq!((&grant["scope"], &grant["families"]), (&json!("email notes.read offline_access openid"), &json!(4)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_decision_made_many_times_at_once_has_one_answer() {
    let (server, client) = setup().await;
    let id = text(&Authorization::of(&server, &client, "openid email").start().await, "id");
    let answers = together(16, |_| {
        let (server, id) = (server.clone(), id.clone());
        async move { server.decide(&id, &json!({"decision": "approve"})).await }
    })
    .await;
    let first = answers[0].expect(200);
    assert_eq!(first["state"], "completed");
    answers.iter().for_each(|answer| assert_eq!(answer.expect(200), first));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_different_decisions_at_once_one_holds_and_the_others_are_told_which() {
    let (server, client) = setup().await;
    for _ in 0..10 {
        let request = Authorization::of(&server, &client, "openid email").with("prompt", "consent").start().await;
        let id = text(&request, "id");
        let answers = together(8, |number| {
            let (server, id) = (server.clone(), id.clone());
            let decision = if number % 2 == 0 { "approve" } else { "deny" };
            async move { server.decide(&id, &json!({"decision": decision})).await }
        })
        .await;
        let held = server.read(&id).await.expect(200);
        let approved = held.get("error").is_none();
        for (number, answer) in answers.iter().enumerate() {
            if (number % 2 == 0) == approved {
                assert_eq!(answer.expect(200), held);
            } else {
                let told = answer.expect_problem(409, "conflict")["authorization_request"].clone();
                assert_eq!(told, held);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_person_seen_first_by_many_is_one_subject() {
    let (server, client) = setup().await;
    let query = Authorization::of(&server, &client, "openid").query();
    let answers = together(16, |_| {
        let (server, query) = (server.clone(), query.clone());
        async move { server.create(&json!({"query": query, "subject": server.ana(0)})).await }
    })
    .await;
    let ids: BTreeSet<_> = answers.iter().map(|answer| text(&answer.expect(201), "id")).collect();
    assert_eq!(ids.len(), 16);
    for id in &ids {
        server.decide(id, &json!({"decision": "approve"})).await.expect(200);
    }
    let grants = server.call("consent", Method::GET, "/v1/subjects/ana/grants", None).await.expect(200);
    assert_eq!(grants["grants"].as_array().unwrap().len(), 1, "{grants}");
}
