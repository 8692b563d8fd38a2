use grantlog_core::app::Settings;
use grantlog_tests::{
    Answer, Authorization, ClientKey, JWT_BEARER, Page, Pkce, RemoteSite, TestServer, merged, outbound_options, parameters_of, text,
};
use http::Method;
use serde_json::{Value, json};

const PATH: &str = "/client.json";

fn on(settings: &mut Settings) {
    settings.registration.metadata_documents = true;
}

struct Setup {
    site: RemoteSite,
    server: TestServer,
}

async fn setup() -> Setup {
    let site = RemoteSite::start().await;
    let server = TestServer::start_beside(&[&site], on).await;
    let setup = Setup { site, server };
    setup.publish(json!({}));
    setup
}

impl Setup {
    fn id(&self) -> String {
        self.site.url(PATH)
    }

    /// The document, with these members in place of its own; null leaves one out.
    fn document(&self, members: Value) -> Value {
        let usual = json!({"client_id": self.id(), "client_name": "Weather Anywhere", "redirect_uris": ["https://weather.example.com/callback"],
            "grant_types": ["authorization_code", "refresh_token"]});
        merged(usual, members)
    }

    fn publish(&self, members: Value) {
        self.site.answer(PATH, Page::json(&self.document(members)));
    }

    /// The client as tests know one.
    fn client(&self) -> Value {
        self.document(json!({}))
    }

    async fn ask(&self) -> Value {
        let answer = Authorization::of(&self.server, &self.client(), "openid email").start_without_subject().await;
        assert!(answer.status.is_success(), "{answer:?}");
        answer.json()
    }

    /// Why a request is rejected, as programs read it.
    async fn rejection(&self) -> String {
        let request = self.ask().await;
        assert_eq!((text(&request, "state"), text(&request, "next")), ("rejected", "show_error"), "{request}");
        assert_eq!(request.get("redirect_to"), None);
        text(&request["error"], "reason").to_owned()
    }

    async fn registered(&self) -> Answer {
        let id: String = url::form_urlencoded::byte_serialize(self.id().as_bytes()).collect();
        self.server.admin(Method::GET, &format!("/v1/clients/{id}"), None).await
    }

    /// The types of the events in the client's stream.
    async fn history(&self) -> Vec<String> {
        let stream = grantlog_core::domain::ClientId::from(self.id().as_str()).stream();
        let loaded = grantlog_core::store::EventStore::load(&self.server.store, &stream, None).await.unwrap();
        loaded.events.into_iter().map(|recorded| recorded.event.kind).collect()
    }
}

#[tokio::test]
async fn a_client_of_a_document_goes_the_whole_way() {
    let setup = setup().await;
    let request = setup.ask().await;
    let client = &request["client"];
    assert_eq!((text(client, "client_name"), text(client, "client_id")), ("Weather Anywhere", setup.id().as_str()));
    assert_eq!(
        (text(client, "registration"), &client["verified"], text(client, "client_type")),
        ("metadata_document", &json!(false), "third_party")
    );
    assert_eq!(text(client, "client_id_host"), setup.site.host());
    let client = setup.client();
    let tokens = Authorization::of(&setup.server, &client, "openid email").tokens().await;
    assert!(setup.server.is_active(text(&tokens, "access_token")).await);
    assert_eq!(setup.history().await[0], "client.registered");
    let registered = setup.registered().await.expect(200);
    assert_eq!((text(&registered, "registration"), text(&registered, "document_sha256").len()), ("metadata_document", 64));
}

#[tokio::test]
async fn documents_are_used_only_where_the_operator_lets_them() {
    let site = RemoteSite::start().await;
    let server = TestServer::start_beside(&[&site], |_| {}).await;
    let setup = Setup { site, server };
    setup.publish(json!({}));
    assert_eq!(setup.ask().await["state"], "rejected");
    assert_eq!(setup.site.visits(PATH), 0);
    let metadata = |server: TestServer| async move { server.get("/.well-known/oauth-authorization-server").await.expect(200) };
    assert_eq!(metadata(setup.server).await["client_id_metadata_document_supported"], false);
    assert_eq!(metadata(TestServer::start_with(on, |_| {}).await).await["client_id_metadata_document_supported"], true);
}

#[tokio::test]
async fn a_document_is_kept_between_five_minutes_and_a_day() {
    let setup = setup().await;
    for (cache_control, kept) in
        [(None, 300), (Some("no-store"), 300), (Some("max-age=1"), 300), (Some("max-age=7200"), 7200), (Some("max-age=31536000"), 86_400)]
    {
        let page = Page::json(&setup.document(json!({})));
        setup.site.answer(PATH, cache_control.into_iter().fold(page, |page, value| page.with("cache-control", value)));
        setup.ask().await;
        let visits = setup.site.visits(PATH);
        setup.server.advance(kept - 1);
        setup.ask().await;
        assert_eq!(setup.site.visits(PATH), visits, "{cache_control:?}");
        setup.server.advance(1);
        setup.publish(json!({}));
        setup.ask().await;
        assert_eq!(setup.site.visits(PATH), visits + 1, "{cache_control:?}");
        setup.server.advance(300);
    }
    assert_eq!(setup.history().await, ["client.registered"]);
}

#[tokio::test]
async fn a_document_that_changed_is_recorded_once_and_is_what_people_see() {
    let setup = setup().await;
    setup.ask().await;
    let first = text(&setup.registered().await.expect(200), "document_sha256").to_owned();
    setup.publish(json!({"client_name": "Somebody Else"}));
    assert_eq!(setup.ask().await["client"]["client_name"], "Weather Anywhere", "it is fresh still");
    setup.server.advance(300);
    for _ in 0..3 {
        assert_eq!(setup.ask().await["client"]["client_name"], "Somebody Else");
        setup.server.advance(300);
    }
    assert_eq!(setup.history().await, ["client.registered", "client.document_changed"]);
    assert_ne!(text(&setup.registered().await.expect(200), "document_sha256"), first);
}

#[tokio::test]
async fn a_document_that_is_gone_withdraws_its_client_until_it_is_back() {
    let setup = setup().await;
    let client = setup.client();
    let tokens = Authorization::of(&setup.server, &client, "openid email offline_access").tokens().await;
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    for status in [404, 410] {
        setup.server.advance(300);
        setup.site.answer(PATH, Page::status(status));
        assert_eq!(setup.rejection().await, "metadata_document_gone");
        assert_eq!(setup.rejection().await, "metadata_document_gone");
        assert!(!setup.server.is_active(access).await);
        assert_eq!(setup.server.refresh(&client, refresh).await.oauth_error(), (400, "invalid_client".to_owned()));
        assert_eq!(setup.registered().await.expect(200)["state"], "withdrawn");
        setup.publish(json!({}));
        setup.ask().await;
        assert_eq!(setup.registered().await.expect(200)["state"], "active");
    }
    let history = setup.history().await;
    let ends: Vec<_> = history.iter().filter(|kind| ["client.withdrawn", "client.reinstated"].contains(&kind.as_str())).collect();
    assert_eq!(ends, ["client.withdrawn", "client.reinstated", "client.withdrawn", "client.reinstated"]);
    assert!(setup.server.refresh(&client, refresh).await.status.is_success());
}

#[tokio::test]
async fn what_is_recorded_outlasts_a_site_that_cannot_be_reached_for_a_day() {
    let setup = setup().await;
    setup.ask().await;
    setup.site.be_silent(true);
    setup.server.advance(86_399);
    assert_eq!(setup.ask().await["state"], "awaiting_subject");
    setup.server.advance(30);
    assert_eq!(setup.rejection().await, "metadata_document_unreachable");
    setup.site.be_silent(false);
    assert_eq!(setup.ask().await["state"], "awaiting_subject");
    // The same for a document that is no good any more.
    setup.publish(json!({"client_id": "https://other.example/client.json"}));
    setup.server.advance(300);
    assert_eq!(setup.ask().await["state"], "awaiting_subject");
    setup.server.advance(86_400);
    assert_eq!(setup.rejection().await, "metadata_document_invalid");
    assert!(!setup.history().await.contains(&"client.withdrawn".to_owned()));
}

#[tokio::test]
async fn a_document_that_is_no_good_makes_no_client() {
    for (members, reason) in [
        (json!({"client_id": "https://other.example/client.json"}), "metadata_document_invalid"),
        (json!({"client_id": null}), "metadata_document_invalid"),
        (json!({"client_secret": "x"}), "metadata_document_invalid"),
        (json!({"token_endpoint_auth_method": "client_secret_basic"}), "metadata_document_invalid"),
        (json!({"redirect_uris": ["javascript:alert(1)"]}), "metadata_document_invalid"),
        (json!({"redirect_uris": null}), "metadata_document_invalid"),
    ] {
        let setup = setup().await;
        setup.publish(members.clone());
        assert_eq!(setup.rejection().await, reason, "{members}");
        assert!(setup.history().await.is_empty(), "{members}");
    }
    let setup = setup().await;
    for (page, reason) in [
        (
            Page { headers: vec![("content-type", "text/html".to_owned())], ..Page::json(&setup.document(json!({}))) },
            "metadata_document_media_type",
        ),
        (Page { headers: Vec::new(), ..Page::json(&setup.document(json!({}))) }, "metadata_document_media_type"),
        (Page::status(302).with("location", "/other.json"), "metadata_document_status"),
        (Page::status(500), "metadata_document_status"),
        (Page::json(&json!([])), "metadata_document_invalid"),
        (Page { body: "{".into(), ..Page::json(&json!({})) }, "metadata_document_invalid"),
        (Page { body: vec![b' '; 20_000].into(), ..Page::json(&json!({})) }, "metadata_document_unreachable"),
    ] {
        setup.site.answer(PATH, page.clone());
        assert_eq!(setup.rejection().await, reason, "{page:?}");
    }
    assert_eq!(setup.site.visits("/other.json"), 0);
    assert!(setup.history().await.is_empty());
}

#[tokio::test]
async fn a_client_id_that_is_no_public_https_url_is_not_fetched() {
    let site = RemoteSite::start_insecure().await;
    let server = TestServer::start_behind(outbound_options(&[], &[]), on, |_| {}).await;
    let port = site.host().rsplit_once(':').unwrap().1;
    for id in [
        format!("http://localhost:{port}/client.json"),
        format!("https://localhost:{port}/client.json"),
        "https://127.0.0.1/client.json".to_owned(),
        "https://[::1]/client.json".to_owned(),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "http://client.example/client.json".to_owned(),
        "https://client.example".to_owned(),
        "https://client.example/a#b".to_owned(),
        "https://user@client.example/a".to_owned(),
        "https://client.example/a/../b".to_owned(),
        "https://client.example/%2e%2e/b".to_owned(),
    ] {
        let client = json!({"client_id": id, "redirect_uris": ["https://weather.example.com/callback"]});
        let request = Authorization::of(&server, &client, "openid").start_without_subject().await.expect(200);
        assert_eq!(text(&request["error"], "reason"), "client_id_not_acceptable", "{id}");
    }
    assert_eq!(site.visits(PATH), 0);
    // An operator may allow it on a machine of their own.
    let server = TestServer::start_behind(outbound_options(&[site.host()], &[site.host()]), on, |_| {}).await;
    let setup = Setup { site, server };
    setup.publish(json!({}));
    assert_eq!(setup.ask().await["state"], "awaiting_subject");
}

#[tokio::test]
async fn a_client_that_an_administrator_stopped_is_not_asked_for_its_document() {
    let setup = setup().await;
    setup.ask().await;
    let id: String = url::form_urlencoded::byte_serialize(setup.id().as_bytes()).collect();
    let path = format!("/v1/clients/{id}");
    let changed =
        json!({"client_name": "Changed", "redirect_uris": ["https://weather.example.com/callback"], "token_endpoint_auth_method": "none"});
    assert_eq!(setup.server.admin(Method::PUT, &path, Some(&changed)).await.problem().0, 409);
    setup.server.admin(Method::POST, &format!("{path}/suspend"), None).await.expect(200);
    setup.server.advance(300);
    assert_eq!(setup.ask().await["state"], "rejected");
    setup.server.admin(Method::DELETE, &path, None).await;
    assert_eq!(setup.ask().await["state"], "rejected");
    assert_eq!(setup.site.visits(PATH), 1);
    assert_eq!(setup.history().await.last().map(String::as_str), Some("client.deleted"));
}

#[tokio::test]
async fn a_client_of_a_document_authenticates_with_its_key() {
    let setup = setup().await;
    let key = ClientKey::of(7);
    setup.publish(json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.jwk()]}}));
    let client = setup.client();
    let code = Authorization::of(&setup.server, &client, "openid email").code().await;
    let assertion = key.sign(key.kid(), &setup.server.assertion_claims(&client, json!({})));
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", "https://weather.example.com/callback"),
        ("code_verifier", Pkce::VERIFIER),
    ];
    let unproven = setup.server.as_client(&client, "/oauth2/token", &fields).await;
    assert_eq!(unproven.oauth_error(), (400, "invalid_client".to_owned()));
    let proven = [&fields[..], &[("client_assertion_type", JWT_BEARER), ("client_assertion", &assertion)]].concat();
    setup.server.post_form("/oauth2/token", None, &proven).await.expect(200);
}

#[tokio::test]
async fn a_browser_is_told_on_a_page_and_sent_nowhere() {
    let setup = setup().await;
    setup.site.answer(PATH, Page::status(404));
    let query = Authorization::of(&setup.server, &setup.client(), "openid").query();
    let answer = setup.server.browse(&format!("/oauth2/authorize?{query}"), None).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (400, None));
    setup.publish(json!({}));
    let answer = setup.server.browse(&format!("/oauth2/authorize?{query}"), None).await;
    assert_eq!(answer.status, 303);
    assert!(parameters_of(&json!(answer.header("location").unwrap())).contains_key("authorization_request"));
}
