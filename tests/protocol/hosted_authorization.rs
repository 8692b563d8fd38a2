use grantlog_tests::{Answer, Authorization, TestServer, parameters_of};
use http::Method;
use serde_json::{Value, json};
use url::Url;

const FORM: &str = "application/x-www-form-urlencoded";

async fn setup() -> (TestServer, Value) {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    (server, client)
}

/// A request that a browser brought, and the cookie that the browser was given.
struct Started {
    id: String,
    cookie: String,
}

impl Started {
    #[track_caller]
    fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 303, "{:?}", answer.body);
        let location = Url::parse(answer.header("location").expect("a redirect")).unwrap();
        assert_eq!((location.host_str(), location.path()), (Some("app.example.com"), "/interaction"));
        let query: Vec<_> = location.query_pairs().into_owned().collect();
        let [(name, id)] = query.as_slice() else { panic!("{query:?}") };
        assert_eq!(name, "authorization_request");
        let cookie = answer.header("set-cookie").expect("a cookie");
        let (cookie, attributes) = cookie.split_once("; ").unwrap();
        assert!(cookie.starts_with(&format!("__Host-grantlog-{id}=")), "{cookie}");
        assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax; Max-Age=600; Secure");
        Self { id: id.clone(), cookie: cookie.to_owned() }
    }

    /// Ana logs in and says yes; returns where the page sends her.
    async fn approve(&self, server: &TestServer) -> String {
        let decision = json!({"decision": "approve", "subject": server.ana(0)});
        let request = server.decide(&self.id, &decision).await.expect(200);
        let redirect_to = request["redirect_to"].as_str().unwrap();
        // The answer itself is not for the page: it passes by us, where the browser is checked.
        let expected = format!("https://auth.example.com/oauth2/authorize/{}/response?t=", self.id);
        assert!(redirect_to.starts_with(&expected) && !redirect_to.contains("code="), "{request}");
        assert_eq!(request.get("form_post"), None);
        redirect_to.to_owned()
    }
}

async fn get(server: &TestServer, query: &str) -> Answer {
    server.browse(&format!("/oauth2/authorize?{query}"), None).await
}

/// A page that says what is wrong, and leads nowhere.
#[track_caller]
fn expect_error_page(answer: &Answer) -> String {
    let page = String::from_utf8(answer.body.to_vec()).unwrap();
    assert_eq!(answer.status, 400, "{page}");
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!((answer.header("location"), answer.header("set-cookie"), answer.header("refresh")), (None, None, None));
    assert_eq!((answer.header("x-frame-options"), answer.header("cache-control")), (Some("DENY"), Some("no-store")));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && policy.contains("form-action 'none'") && policy.contains("script-src 'none'"),
        "{policy}"
    );
    for dangerous in ["<a ", "<form", "<script", "http-equiv", "evil."] {
        assert!(!page.contains(dangerous), "{page}");
    }
    page
}

#[tokio::test]
async fn oauth21_3_1_a_browser_goes_by_the_interaction_page_to_the_client() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, "openid email");
    let started = Started::of(&get(&server, &authorization.query()).await);
    let request = server.read(&started.id).await.expect(200);
    assert_eq!((&request["state"], &request["next"]), (&json!("awaiting_subject"), &json!("login")));
    let hop = started.approve(&server).await;
    let answer = server.browse(&hop, Some(&started.cookie)).await;
    assert_eq!(answer.status, 303, "{:?}", answer.body);
    let location = json!(answer.header("location").unwrap());
    assert!(location.as_str().unwrap().starts_with("https://weather.example.com/callback?"), "{location}");
    let parameters = parameters_of(&location);
    assert_eq!(parameters.keys().map(String::as_str).collect::<Vec<_>>(), ["code", "iss", "state"]);
    let tokens = authorization.redeem(&parameters["code"]).await.expect(200);
    assert!(server.is_active(tokens["access_token"].as_str().unwrap()).await);
}

#[tokio::test]
async fn oidc_core_3_1_2_1_post_works_like_get() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, "openid");
    let started = Started::of(&server.post("/oauth2/authorize", FORM, authorization.query()).await);
    let hop = started.approve(&server).await;
    let answer = server.browse(&hop, Some(&started.cookie)).await;
    assert_eq!(answer.status, 303);
    assert!(parameters_of(&json!(answer.header("location").unwrap())).contains_key("code"));
    // The query of a POST is not the request.
    let path = format!("/oauth2/authorize?{}", authorization.query());
    expect_error_page(&server.post(&path, FORM, "").await);
}

#[tokio::test]
async fn a_post_of_another_media_type_is_refused() {
    let (server, client) = setup().await;
    let query = Authorization::of(&server, &client, "openid").query();
    for content_type in ["text/plain", "application/json", "multipart/form-data"] {
        server.post("/oauth2/authorize", content_type, query.clone()).await.expect_problem(415, "unsupported_media_type");
    }
}

#[tokio::test]
async fn consent_fixation_another_browser_does_not_get_the_answer() {
    let (server, client) = setup().await;
    let query = Authorization::of(&server, &client, "openid").query();
    let (mine, other) = (Started::of(&get(&server, &query).await), Started::of(&get(&server, &query).await));
    let hop = mine.approve(&server).await;
    let wrong_value = format!("__Host-grantlog-{}=AAAA", mine.id);
    let without_prefix = mine.cookie.trim_start_matches("__Host-").to_owned();
    let wrong_name = mine.cookie.replace(&mine.id, &other.id);
    for cookie in [None, Some(&other.cookie), Some(&wrong_value), Some(&without_prefix), Some(&wrong_name)] {
        let answer = server.browse(&hop, cookie.map(String::as_str)).await;
        answer.expect_problem(403, "forbidden");
        assert_eq!(answer.header("location"), None);
    }
    // Many tabs don't trip over each other.
    let both = format!("{}; theme=dark; {}", other.cookie, mine.cookie);
    assert_eq!(server.browse(&hop, Some(&both)).await.status, 303);
}

#[tokio::test]
async fn only_whom_we_gave_the_url_can_fetch_the_answer() {
    let (server, client) = setup().await;
    let query = Authorization::of(&server, &client, "openid").query();
    let (mine, other) = (Started::of(&get(&server, &query).await), Started::of(&get(&server, &query).await));
    let (hop, other_hop) = (mine.approve(&server).await, other.approve(&server).await);
    let token = |hop: &str| hop.split_once("?t=").unwrap().1.to_owned();
    let path = format!("/oauth2/authorize/{}/response", mine.id);
    for wrong in [
        path.clone(),
        format!("{path}?t="),
        format!("{path}?t=x"),
        format!("{path}?t={}", token(&other_hop)),
        format!("{path}?T={}", token(&hop)),
        format!("/oauth2/authorize/019cb3f0-0000-7000-8000-000000000000/response?t={}", token(&hop)),
        format!("/oauth2/authorize/x/response?t={}", token(&hop)),
    ] {
        server.browse(&wrong, Some(&mine.cookie)).await.expect_problem(404, "not_found");
    }
    let twice = format!("{path}?t={0}&t={0}", token(&hop));
    server.browse(&twice, Some(&mine.cookie)).await.expect_problem(400, "invalid_field");
    assert_eq!(server.browse(&hop, Some(&mine.cookie)).await.status, 303);
}

#[tokio::test]
async fn before_the_decision_there_is_no_answer() {
    let (server, client) = setup().await;
    let started = Started::of(&get(&server, &Authorization::of(&server, &client, "openid").query()).await);
    let request = server.read(&started.id).await.expect(200);
    assert_eq!(request.get("redirect_to"), None);
    let token = server.app.authority.response_token(started.id.parse().unwrap());
    let hop = format!("/oauth2/authorize/{}/response?t={token}", started.id);
    server.browse(&hop, Some(&started.cookie)).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_denial_goes_by_the_same_hop() {
    let (server, client) = setup().await;
    let started = Started::of(&get(&server, &Authorization::of(&server, &client, "openid").query()).await);
    let request = server.decide(&started.id, &json!({"decision": "deny"})).await.expect(200);
    let hop = request["redirect_to"].as_str().unwrap();
    server.browse(hop, None).await.expect_problem(403, "forbidden");
    let answer = server.browse(hop, Some(&started.cookie)).await;
    let parameters = parameters_of(&json!(answer.header("location").unwrap()));
    assert_eq!((answer.status.as_u16(), parameters["error"].as_str(), parameters["state"].as_str()), (303, "access_denied", "af0ifjsldkj"));
    assert_eq!(parameters["iss"], server.issuer());
}

#[tokio::test]
async fn oidc_core_3_1_2_6_prompt_none_waits_for_the_application_to_say_who_is_there() {
    let (server, client) = setup().await;
    let started = Started::of(&get(&server, &Authorization::of(&server, &client, "openid").with("prompt", "none").query()).await);
    let request = server.attest(&started.id, &json!({"subject": null})).await.expect(200);
    assert_eq!((&request["state"], &request["next"]), (&json!("completed"), &json!("redirect")));
    let answer = server.browse(request["redirect_to"].as_str().unwrap(), Some(&started.cookie)).await;
    assert_eq!(parameters_of(&json!(answer.header("location").unwrap()))["error"], "login_required");
}

#[tokio::test]
async fn form_post_response_mode_2_the_last_hop_is_a_form() {
    let (server, client) = setup().await;
    let state = "\"><script>alert(1)</script>";
    let authorization = Authorization::of(&server, &client, "openid").with("response_mode", "form_post").with("state", state);
    let started = Started::of(&get(&server, &authorization.query()).await);
    let hop = started.approve(&server).await;
    server.browse(&hop, None).await.expect_problem(403, "forbidden");
    let answer = server.browse(&hop, Some(&started.cookie)).await;
    let page = String::from_utf8(answer.body.to_vec()).unwrap();
    assert_eq!((answer.status.as_u16(), answer.header("location")), (200, None), "{page}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action https://weather.example.com;") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(policy.contains("script-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    assert!(page.contains("<form method=\"post\" action=\"https://weather.example.com/callback\">"), "{page}");
    assert!(page.contains("name=\"state\" value=\"&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\"") && !page.contains(state), "{page}");
    let code = page.split_once("name=\"code\" value=\"").unwrap().1.split_once('"').unwrap().0;
    authorization.redeem(code).await.expect(200);
}

#[tokio::test]
async fn form_post_response_mode_2_an_error_at_the_door_is_a_form_too() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, "openid").with("response_mode", "form_post").with("scope", "nothing");
    let answer = get(&server, &authorization.query()).await;
    let page = String::from_utf8(answer.body.to_vec()).unwrap();
    assert_eq!((answer.status.as_u16(), answer.header("location"), answer.header("set-cookie")), (200, None, None), "{page}");
    assert!(
        page.contains("name=\"error\" value=\"invalid_scope\"") && page.contains("name=\"iss\" value=\"https://auth.example.com\""),
        "{page}"
    );
}

#[tokio::test]
async fn rfc6749_4_1_2_1_an_error_that_may_be_told_is_a_303_to_the_client() {
    let (server, client) = setup().await;
    for (name, value, error) in [("response_type", "token", "unsupported_response_type"), ("code_challenge", "", "invalid_request")] {
        let answer = get(&server, &Authorization::of(&server, &client, "openid").with(name, value).query()).await;
        let location = json!(answer.header("location").unwrap());
        assert_eq!((answer.status.as_u16(), answer.header("set-cookie")), (303, None), "{location}");
        assert!(location.as_str().unwrap().starts_with("https://weather.example.com/callback?"), "{location}");
        let parameters = parameters_of(&location);
        assert_eq!(parameters.keys().map(String::as_str).collect::<Vec<_>>(), ["error", "error_description", "iss", "state"]);
        assert_eq!((parameters["error"].as_str(), parameters["state"].as_str()), (error, "af0ifjsldkj"));
    }
}

#[tokio::test]
async fn rfc6749_4_1_2_1_what_is_not_proven_is_a_page_and_never_a_redirect() {
    let (server, client) = setup().await;
    let authorization = || Authorization::of(&server, &client, "openid");
    for uri in [
        "https://evil.example/",
        "https://weather.example.com/callback?x=https://evil.example/",
        "https://weather.example.com@evil.example/callback",
        "https://weather.example.com\\@evil.example/callback",
        "https://weather.example.com/callback#evil.",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,<script>evil.</script>",
        "vbscript:x",
        "about:blank",
        "file:///etc/passwd",
        "blob:https://weather.example.com/callback",
        "weather.example.com/callback",
        "*",
        " https://weather.example.com/callback",
    ] {
        for mode in ["query", "form_post"] {
            let query = authorization().with("redirect_uri", uri).with("response_mode", mode).query();
            expect_error_page(&get(&server, &query).await);
            expect_error_page(&server.post("/oauth2/authorize", FORM, query).await);
        }
    }
    for client_id in ["nobody", "<script>alert(1)</script>", ""] {
        expect_error_page(&get(&server, &authorization().with("client_id", client_id).query()).await);
    }
    expect_error_page(&get(&server, "").await);
    expect_error_page(&get(&server, &format!("{}&state=x", authorization().query())).await);
    expect_error_page(&get(&server, &format!("{}&%3Cscript%3E=1&%3Cscript%3E=2", authorization().query())).await);
    expect_error_page(&get(&server, &format!("{}&x=%ff", authorization().query())).await);
}

#[tokio::test]
async fn a_script_uri_can_not_even_be_registered() {
    let server = TestServer::start().await;
    for uri in
        ["javascript:alert(1)", "JAVASCRIPT:alert(1)", "data:text/html,x", "vbscript:x", "https://a.example/cb#x", "http://a.example/cb"]
    {
        let metadata = json!({"client_name": "x", "redirect_uris": [uri], "scope": "openid"});
        let answer = server.call("admin", Method::POST, "/v1/clients", Some(&metadata)).await;
        let problem = answer.expect_problem(422, "invalid_metadata");
        assert_eq!(problem["problems"][0]["field"], "redirect_uris", "{uri} {problem}");
    }
}

#[tokio::test]
async fn urls_come_from_configuration_and_never_from_the_host_header() {
    let (server, client) = setup().await;
    let path = format!("/oauth2/authorize?{}", Authorization::of(&server, &client, "openid").query());
    let request = http::Request::get(path)
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("forwarded", "host=evil.example");
    let started = Started::of(&server.send(request.body(bytes::Bytes::new()).unwrap()).await);
    assert!(started.approve(&server).await.starts_with("https://auth.example.com/"));
}

#[tokio::test]
async fn without_an_interaction_page_there_is_no_hosted_way() {
    let server = TestServer::start_with(|_| {}, |edge| edge.interaction_url = None).await;
    let client = server.confidential_client().await;
    let query = Authorization::of(&server, &client, "openid").query();
    get(&server, &query).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn an_interaction_page_with_a_query_keeps_it() {
    let url = "https://app.example.com/interaction?tenant=a";
    let server = TestServer::start_with(|_| {}, |edge| edge.interaction_url = Some(url.to_owned())).await;
    let client = server.confidential_client().await;
    let answer = get(&server, &Authorization::of(&server, &client, "openid").query()).await;
    assert!(answer.header("location").unwrap().starts_with(&format!("{url}&authorization_request=")), "{answer:?}");
}

#[tokio::test]
async fn a_wrong_method_is_405_and_says_which_are_right() {
    let (server, _) = setup().await;
    let request = http::Request::delete("/oauth2/authorize").body(bytes::Bytes::new()).unwrap();
    let answer = server.send(request).await;
    answer.expect_problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("GET, HEAD, POST"));
}
