//! Races over real connections to a real server process: the same rules as in `tests/protocol/concurrency.rs`, with the
//! kernel, the listener and the disk in between.

use std::collections::BTreeSet;

use futures::future::join_all;
use grantlog_tests::{
    process::{Installation, ServerProcess},
    remote::{Remote, code_of, text},
};
use http::Method;
use serde_json::{Value, json};

struct Setting {
    remote: Remote,
    client: Value,
    server: ServerProcess,
    installation: Installation,
}

async fn setting() -> Setting {
    let installation = Installation::new();
    let server = installation.start().await;
    let remote = Remote::of(&installation).await;
    let metadata = json!({"client_name": "Weather by Mail", "redirect_uris": ["https://weather.example.com/callback"],
        "scope": "openid offline_access notes.read"});
    let client = remote.register(&metadata).await.unwrap().expect(201);
    Setting { remote, client, server, installation }
}

impl Setting {
    async fn code(&self) -> String {
        let request = self.remote.request(&self.client, "ana").await.unwrap().expect(201);
        code_of(&self.remote.approve(&request).await.unwrap().expect(200))
    }

    async fn tokens(&self) -> Value {
        let code = self.code().await;
        self.remote.redeem(&self.client, &code).await.unwrap().expect(200)
    }

    async fn end(self) {
        self.server.stop().await;
        self.installation.expect_sound();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_refreshes_of_one_token_all_get_the_same_successor() {
    let setting = setting().await;
    let refresh_token = text(&setting.tokens().await["refresh_token"]);
    let refreshes = (0..50).map(|_| setting.remote.refresh(&setting.client, &refresh_token));
    let answers: Vec<Value> = join_all(refreshes).await.into_iter().map(|reply| reply.unwrap().expect(200)).collect();
    let successors: BTreeSet<_> = answers.iter().map(|answer| text(&answer["refresh_token"])).collect();
    assert_eq!(successors.len(), 1, "one successor for all");
    let access_tokens: BTreeSet<_> = answers.iter().map(|answer| text(&answer["access_token"])).collect();
    assert_eq!(access_tokens.len(), 50, "an access token for each");
    setting.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_parallel_redemptions_one_wins_and_what_it_got_ends() {
    let setting = setting().await;
    let code = setting.code().await;
    let redemptions = (0..8).map(|_| setting.remote.redeem(&setting.client, &code));
    let answers: Vec<_> = join_all(redemptions).await.into_iter().map(Result::unwrap).collect();
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|reply| reply.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 7));
    let tokens = won.into_iter().next().unwrap().expect(200);
    assert!(!setting.remote.is_active(&text(&tokens["access_token"])).await);
    setting.remote.refresh(&setting.client, &text(&tokens["refresh_token"])).await.unwrap().expect(400);
    setting.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoke_that_races_refreshes_leaves_the_grant_dead() {
    let setting = setting().await;
    for _ in 0..10 {
        let tokens = setting.tokens().await;
        let refresh_token = text(&tokens["refresh_token"]);
        let grants = "/v1/subjects/ana/grants";
        let listed = setting.remote.call("consent", Method::GET, grants, None).await.unwrap().expect(200);
        let grant = format!("{grants}/{}", text(&listed["grants"][0]["id"]));
        let refreshes = join_all((0..12).map(|_| setting.remote.refresh(&setting.client, &refresh_token)));
        let (refreshed, revoked) = tokio::join!(refreshes, setting.remote.call("consent", Method::DELETE, &grant, None));
        revoked.unwrap().expect(204);
        for reply in refreshed.into_iter().map(Result::unwrap).filter(|reply| reply.status == 200) {
            let late = reply.expect(200);
            assert!(!setting.remote.is_active(&text(&late["access_token"])).await);
            setting.remote.refresh(&setting.client, &text(&late["refresh_token"])).await.unwrap().expect(400);
        }
        assert!(!setting.remote.is_active(&text(&tokens["access_token"])).await);
    }
    setting.end().await;
}
