use std::time::{Duration, Instant};

use grantlog_tests::{
    process::Installation,
    remote::{Remote, code_of, text},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

const ROUNDS: usize = 8;
const CLIENTS: usize = 12;
const PATIENCE: Duration = Duration::from_secs(20);
/// Another seed finds other moments.
const SEED: u64 = 20_261_125;

async fn connect(remote: &Remote, client: &Value, person: &str) -> String {
    let request = remote.request(client, person).await.expect("an answer").expect(201);
    let decided = remote.approve(&request).await.expect("an answer").expect(200);
    let tokens = remote.redeem(client, &code_of(&decided)).await.expect("an answer").expect(200);
    text(&tokens["access_token"])
}

async fn erasures(remote: &Remote) -> Vec<Value> {
    let list = remote.call("admin", Method::GET, "/v1/audit/erasures?limit=200", None).await.expect("an answer").expect(200);
    list["erasures"].as_array().expect("a list").clone()
}

/// Those that are in the log, when each is complete: what was begun is taken up at the start.
async fn complete(remote: &Remote) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let all = erasures(remote).await;
        if all.iter().all(|erasure| erasure["grants_ended"].is_u64()) {
            return all;
        }
        assert!(Instant::now() < deadline, "{all:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// SIGKILL at another moment of an erasure each time.
#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_was_killed_midway_is_completed_by_the_next_start() {
    let mut rng = StdRng::seed_from_u64(SEED);
    let installation = Installation::new();
    let mut server = installation.start().await;
    let remote = Remote::of(&installation).await;
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let metadata = json!({"client_name": format!("Client {number}"), "redirect_uris": ["https://weather.example.com/callback"],
            "scope": "openid offline_access notes.read", "access_token_format": "opaque"});
        clients.push(remote.register(&metadata).await.expect("an answer").expect(201));
    }
    let (mut begun, mut bystanders) = (0, Vec::new());
    for round in 0..ROUNDS {
        let person = format!("person-{round}");
        let mut tokens = Vec::new();
        for client in &clients {
            tokens.push(connect(&remote, client, &person).await);
        }
        bystanders.push(connect(&remote, &clients[0], &format!("bystander-{round}")).await);
        let path = format!("/v1/subjects/{person}/erase");
        let asked = tokio::spawn({
            let (remote, path) = (remote.clone(), path.clone());
            async move { remote.call("admin", Method::POST, &path, None).await }
        });
        sleep(Duration::from_micros(rng.random_range(200..20_000))).await;
        server.kill();
        let answered = asked.await.expect("no panic").is_ok_and(|reply| reply.status == 200);
        installation.expect_sound();
        server = installation.start().await;

        let all = complete(&remote).await;
        assert!(!answered || all.len() == begun + 1, "an acknowledged erasure is there");
        if all.len() == begun {
            // It did not come as far as the event: everything is as it was, and can be asked for again.
            for token in &tokens {
                assert!(remote.is_active(token).await);
            }
            remote.call("admin", Method::POST, &path, None).await.expect("an answer").expect(200);
        }
        begun += 1;
        for token in &tokens {
            assert!(!remote.is_active(token).await, "round {round}");
        }
        assert_eq!(remote.call("admin", Method::POST, &path, None).await.expect("an answer").status, 404);
        for token in &bystanders {
            assert!(remote.is_active(token).await, "round {round}");
        }
    }
    let all = complete(&remote).await;
    assert_eq!(all.iter().map(|erasure| erasure["grants_ended"].as_u64()).collect::<Vec<_>>(), [Some(CLIENTS as u64); ROUNDS]);
    for erasure in &all {
        let path = format!("/v1/audit/erasures/{}", text(&erasure["id"]));
        assert!(remote.call("admin", Method::GET, &path, None).await.expect("an answer").expect(200)["certificate"].is_string());
    }
    server.stop().await;
    installation.expect_sound();
}
