//! The demo's pages, asked for over HTTP, with a fake grantlog behind them.

mod fake;

use std::collections::BTreeMap;

use fake::{CLIENT_ID, CLIENT_SECRET, CONSENT_KEY, Fake, RESOURCE_SERVER_KEY};
use grantlog_demo::{CLIENT_SCOPE, DemoConfig};
use http::StatusCode;
use reqwest::header::{CONTENT_SECURITY_POLICY, COOKIE, LOCATION, SET_COOKIE, WWW_AUTHENTICATE};
use serde_json::{Value, json};

type Failed = Box<dyn std::error::Error>;

/// One browser: it keeps cookies, and leaves following redirects to the test.
struct Browser {
    http: reqwest::Client,
    demo: String,
    cookies: BTreeMap<String, String>,
}

/// What it got.
struct Got {
    status: StatusCode,
    location: String,
    policy: String,
    body: String,
}

async fn start() -> Result<(Browser, Fake), Failed> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let demo = format!("http://{}", listener.local_addr()?);
    let fake = Fake::start("127.0.0.1:0", &demo).await?;
    let config = DemoConfig {
        issuer: fake.issuer.clone(),
        public_url: demo.clone(),
        consent_api_key: CONSENT_KEY.to_owned(),
        resource_server_api_key: RESOURCE_SERVER_KEY.to_owned(),
        client_id: CLIENT_ID.to_owned(),
        client_secret: Some(CLIENT_SECRET.to_owned()),
        agents_resource_server_id: "0".repeat(32),
        agents_api_key: RESOURCE_SERVER_KEY.to_owned(),
        machine_client_id: "night-shift".to_owned(),
        machine_client_secret: "gls_night".to_owned(),
    };
    tokio::spawn(grantlog_demo::serve(listener, config, std::future::pending()));
    Ok((Browser::new(demo)?, fake))
}

impl Browser {
    fn new(demo: String) -> Result<Self, Failed> {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { http, demo, cookies: BTreeMap::new() })
    }

    async fn get(&mut self, path: &str) -> Result<Got, Failed> {
        let call = self.http.get(self.absolute(path));
        self.send(call).await
    }

    async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Result<Got, Failed> {
        let call = self.http.post(self.absolute(path)).form(form);
        self.send(call).await
    }

    /// Follow redirects within the demo until there is a page.
    async fn follow(&mut self, mut got: Got) -> Result<Got, Failed> {
        while got.status == StatusCode::SEE_OTHER {
            got = self.get(&got.location.clone()).await?;
        }
        Ok(got)
    }

    async fn visit(&mut self, path: &str) -> Result<Got, Failed> {
        let got = self.get(path).await?;
        self.follow(got).await
    }

    /// Press a button of a page: its hidden fields go along.
    async fn press(&mut self, page: &Got, path: &str, fields: &[(&str, &str)]) -> Result<Got, Failed> {
        let mut form = fields.to_vec();
        for name in ["csrf", "authorization_request"] {
            form.extend(page.hidden(name).map(|value| (name, value)));
        }
        self.post(path, &form).await
    }

    async fn log_in(&mut self, page: &Got) -> Result<Got, Failed> {
        let got = self.press(page, "/login", &[("user", "ana"), ("password", "ana-demo")]).await?;
        self.follow(got).await
    }

    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') { format!("{}{path}", self.demo) } else { path.to_owned() }
    }

    async fn send(&mut self, call: reqwest::RequestBuilder) -> Result<Got, Failed> {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = call.header(COOKIE, cookies.join("; ")).send().await?;
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let cookie = cookie.to_str()?;
            assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
            if let Some((name, value)) = cookie.split(';').next().and_then(|pair| pair.split_once('=')) {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        Ok(Got { status: answer.status(), location: text(LOCATION), policy: text(CONTENT_SECURITY_POLICY), body: answer.text().await? })
    }
}

impl Got {
    fn hidden(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!("name=\"{name}\" value=\""))?;
        rest.split('"').next()
    }

    fn shows(&self, text: &str) {
        assert!(self.body.contains(text), "no {text:?} in {} {}", self.status, self.body);
    }
}

fn authorize() -> String {
    let scope: String = form_urlencoded::byte_serialize(CLIENT_SCOPE.as_bytes()).collect();
    format!("/authorize?client_id={CLIENT_ID}&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&scope={scope}&state=s1")
}

async fn overlaid(overlay: Value) -> Result<Got, Failed> {
    let (mut browser, fake) = start().await?;
    fake.with(|memory| memory.overlay = overlay);
    browser.visit(&authorize()).await
}

#[tokio::test]
async fn each_next_leads_to_its_page() -> Result<(), Failed> {
    for (next, title) in [
        ("login", "Log in"),
        ("reauthenticate", "Please log in again"),
        ("step_up", "One more proof, please"),
        ("select_account", "Choose an account"),
    ] {
        let page = overlaid(json!({ "next": next })).await?;
        assert_eq!(page.status, StatusCode::OK);
        page.shows(&format!("<h1>{title}</h1>"));
        assert!(page.hidden("authorization_request").is_some(), "{next}");
    }
    Ok(())
}

#[tokio::test]
async fn a_finished_request_leaves_for_the_client_at_once() -> Result<(), Failed> {
    let (mut browser, fake) = start().await?;
    fake.with(|memory| memory.overlay = json!({ "state": "completed", "next": "redirect", "redirect_to": "com.example.app:/cb?code=1" }));
    let got = browser.get(&authorize()).await?;
    assert_eq!((got.status, got.location.as_str()), (StatusCode::SEE_OTHER, "com.example.app:/cb?code=1"));
    Ok(())
}

#[tokio::test]
async fn form_post_answers_are_posted_with_a_button_for_those_without_script() -> Result<(), Failed> {
    let form = json!({ "action": "https://app.example/cb", "fields": { "code": "c\"><script>", "state": "s" } });
    let page = overlaid(json!({ "state": "completed", "next": "redirect", "form_post": form })).await?;
    page.shows(r#"action="https://app.example/cb""#);
    page.shows("Continue</button>");
    assert!(!page.body.contains("\"><script>"));
    assert!(page.policy.contains("script-src 'self'") && !page.policy.contains("form-action"));
    Ok(())
}

#[tokio::test]
async fn rfc6749_4_1_2_1_an_untrustworthy_request_is_shown_and_never_redirected() -> Result<(), Failed> {
    let (mut browser, _fake) = start().await?;
    let got = browser.get("/authorize?client_id=nobody&redirect_uri=https://evil.example/").await?;
    assert_eq!((got.status, got.location.as_str()), (StatusCode::BAD_REQUEST, ""));
    got.shows("This app cannot be connected");
    assert!(!got.body.contains("evil.example"));
    Ok(())
}

#[tokio::test]
async fn an_expired_request_offers_a_fresh_start_but_no_script() -> Result<(), Failed> {
    let page = overlaid(json!({ "state": "expired", "next": "show_error", "restart_url": "https://app.example/start" })).await?;
    assert_eq!(page.status, StatusCode::GONE);
    page.shows(r#"href="https://app.example/start""#);
    let page = overlaid(json!({ "state": "expired", "next": "show_error", "restart_url": "javascript:alert(1)" })).await?;
    assert!(!page.body.contains("javascript:"));
    Ok(())
}

#[tokio::test]
async fn a_hostile_client_name_stays_text() -> Result<(), Failed> {
    let (mut browser, fake) = start().await?;
    fake.with(|memory| memory.client_name = "<script>alert('hi')</script>\"><img src=x>".to_owned());
    let login = browser.visit(&authorize()).await?;
    let consent = browser.log_in(&login).await?;
    for page in [&login, &consent] {
        assert!(!page.body.contains("<script") && !page.body.contains("<img"), "{}", page.body);
        page.shows("&#60;script&#62;");
    }
    // Terms at `javascript:` are not linked; the policy at https is.
    assert!(!consent.body.contains("javascript:"));
    consent.shows(r#"href="https://postcard.example/privacy""#);
    Ok(())
}

#[tokio::test]
async fn the_consent_page_shows_the_host_first_and_tells_new_from_agreed() -> Result<(), Failed> {
    let (mut browser, fake) = start().await?;
    let scope = |name: &str, grantable: bool, agreed: bool| json!({ "scope": name, "description": format!("Words for {name}"), "grantable": grantable, "already_granted": agreed, "reason": null });
    let scopes = [scope("openid", true, true), scope("notes.read", true, false), scope("admin", false, false)];
    fake.with(|memory| memory.overlay = json!({ "scopes": scopes }));
    let login = browser.visit(&authorize()).await?;
    let page = browser.log_in(&login).await?;
    let at = |text: &str| page.body.find(text).unwrap_or(usize::MAX);
    assert!(at("127.0.0.1:8081") < at("calls itself"));
    assert!(at("New: it would also like to") < at("Words for notes.read") && at("Words for notes.read") < at("You agreed to this before"));
    assert!(at("You agreed to this before") < at("Words for openid") && at("Words for openid") < at("It will not get this"));
    assert!(at("It will not get this") < at("Words for admin") && at("Words for admin") < usize::MAX);
    assert!(!page.body.contains(r#"value="admin""#));
    page.shows("Ana Lindqvist");
    // Browsers would stop the redirect to the client otherwise.
    assert!(!page.policy.contains("form-action") && page.policy.contains("default-src 'none'"));
    Ok(())
}

#[tokio::test]
async fn the_decision_carries_the_binding_the_person_and_what_was_ticked() -> Result<(), Failed> {
    let (mut browser, fake) = start().await?;
    let login = browser.visit(&authorize()).await?;
    let page = browser.log_in(&login).await?;
    let fields = [("decision", "allow"), ("scope", "openid"), ("scope", "notes.read")];
    let got = browser.press(&page, "/decision", &fields).await?;
    assert_eq!(got.status, StatusCode::SEE_OTHER);
    assert!(got.location.starts_with("https://app.example/cb?code="), "{}", got.location);
    let calls = fake.with(|memory| memory.calls.clone());
    let body = |end: &str| calls.iter().find(|(call, _)| call.ends_with(end)).map(|(_, body)| body.clone()).unwrap_or_default();
    let (created, decided) = (body("authorization-requests"), body("/decision"));
    assert_eq!(created["query"], authorize().trim_start_matches("/authorize?"));
    assert_eq!(created["browser_binding"], decided["browser_binding"]);
    assert_eq!(decided["scopes"], json!(["openid", "notes.read"]));
    assert_eq!(decided["subject"]["id"], "ana");
    assert_eq!(decided["shown"]["texts_sha256"].as_str().map(str::len), Some(64));
    // Pressing "Deny" in another tab afterwards leads to where the first answer leads.
    let late = browser.press(&page, "/decision", &[("decision", "deny")]).await?;
    assert_eq!(late.location, got.location);
    Ok(())
}

#[tokio::test]
async fn nothing_ticked_is_a_no() -> Result<(), Failed> {
    let (mut browser, _fake) = start().await?;
    let login = browser.visit(&authorize()).await?;
    let page = browser.log_in(&login).await?;
    let got = browser.press(&page, "/decision", &[("decision", "allow")]).await?;
    assert!(got.location.contains("error=access_denied"), "{}", got.location);
    Ok(())
}

#[tokio::test]
async fn cancelling_at_login_goes_back_to_the_client() -> Result<(), Failed> {
    let (mut browser, _fake) = start().await?;
    let login = browser.visit(&authorize()).await?;
    let got = browser.press(&login, "/decision", &[("decision", "deny")]).await?;
    assert!(got.location.contains("error=access_denied"), "{}", got.location);
    Ok(())
}

#[tokio::test]
async fn not_you_leads_back_to_login() -> Result<(), Failed> {
    let (mut browser, _fake) = start().await?;
    let login = browser.visit(&authorize()).await?;
    let page = browser.log_in(&login).await?;
    let got = browser.press(&page, "/switch-account", &[]).await?;
    browser.follow(got).await?.shows("<h1>Log in</h1>");
    Ok(())
}

#[tokio::test]
async fn forms_without_the_sessions_csrf_token_are_refused() -> Result<(), Failed> {
    let (mut browser, fake) = start().await?;
    let login = browser.visit(&authorize()).await?;
    let id = login.hidden("authorization_request").unwrap_or_default();
    browser.log_in(&login).await?;
    for path in ["/login", "/continue", "/switch-account", "/decision", "/connected-apps/disconnect", "/logout"] {
        // The token of before the login is as good as none.
        for csrf in ["", "guess", login.hidden("csrf").unwrap_or_default()] {
            let form = [("csrf", csrf), ("authorization_request", id), ("decision", "allow"), ("scope", "openid")];
            assert_eq!(browser.post(path, &form).await?.status, StatusCode::FORBIDDEN, "{path}");
        }
    }
    assert!(fake.with(|memory| memory.calls.iter().all(|(call, _)| !call.ends_with("/decision"))));
    Ok(())
}

#[tokio::test]
async fn another_browser_cannot_take_over_a_request() -> Result<(), Failed> {
    let (mut starter, _fake) = start().await?;
    let login = starter.visit(&authorize()).await?;
    let id = login.hidden("authorization_request").unwrap_or_default();
    let mut other = Browser::new(starter.demo.clone())?;
    let theirs = other.visit(&format!("/interaction?authorization_request={id}")).await?;
    let got = other.press(&theirs, "/login", &[("user", "ben"), ("password", "ben-demo")]).await?;
    assert_eq!(got.status, StatusCode::BAD_REQUEST);
    got.shows("another browser");
    Ok(())
}

#[tokio::test]
async fn login_changes_the_session_id() -> Result<(), Failed> {
    let (mut browser, _fake) = start().await?;
    let login = browser.visit("/login").await?;
    let before = browser.cookies.get("sundial_session").cloned();
    browser.press(&login, "/login", &[("user", "ana"), ("password", "ana-demo")]).await?;
    assert_ne!(before, browser.cookies.get("sundial_session").cloned());
    Ok(())
}

#[tokio::test]
async fn step_up_wants_the_code_as_well() -> Result<(), Failed> {
    let (mut browser, fake) = start().await?;
    fake.with(|memory| memory.overlay = json!({ "next": "step_up" }));
    let page = browser.visit(&authorize()).await?;
    let wrong = browser.press(&page, "/login", &[("user", "ana"), ("password", "ana-demo"), ("code", "1")]).await?;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let right = [("user", "ana"), ("password", "ana-demo"), ("code", "246810")];
    browser.press(&page, "/login", &right).await?;
    let calls = fake.with(|memory| memory.calls.clone());
    let attested = calls.iter().rev().find(|(call, _)| call.ends_with("/subject")).map(|(_, body)| body["subject"].clone());
    assert_eq!(attested.unwrap_or_default()["amr"], json!(["pwd", "otp"]));
    Ok(())
}

#[tokio::test]
async fn oidc_core_3_1_2_1_the_authorization_endpoint_takes_post_as_well() -> Result<(), Failed> {
    let (mut browser, _fake) = start().await?;
    let got = browser.post("/authorize", &[("client_id", CLIENT_ID), ("scope", "openid")]).await?;
    assert_eq!(got.location, format!("/authorize?client_id={CLIENT_ID}&scope=openid"));
    browser.follow(got).await?.shows("<h1>Log in</h1>");
    Ok(())
}

#[tokio::test]
async fn the_whole_way_from_connect_to_disconnect() -> Result<(), Failed> {
    let (mut browser, _fake) = start().await?;
    let login = browser.visit("/client/start").await?;
    let consent = browser.log_in(&login).await?;
    let fields = [("decision", "allow"), ("scope", "openid"), ("scope", "notes.read")];
    let back = browser.press(&consent, "/decision", &fields).await?;
    let callback = back.location.clone();
    let home = browser.follow(back).await?;
    home.shows("Hello, Ana Lindqvist");
    // No whole token is on the page: an access token has a signature, and none is shown.
    assert!(!home.body.contains(".c2lnbmF0dXJl"));
    let got = browser.press(&home, "/client/call-api", &[]).await?;
    browser.follow(got).await?.shows("The API answered");
    // RFC 6749 §10.12: the same answer a second time is nobody's.
    browser.visit(&callback).await?.shows("We threw that answer away");

    let apps = browser.visit("/connected-apps").await?;
    let grant = apps.hidden("grant").unwrap_or_default();
    let got = browser.press(&apps, "/connected-apps/disconnect", &[("grant", grant)]).await?;
    browser.follow(got).await?.shows("No app is connected");
    let home = browser.visit("/client").await?;
    let got = browser.press(&home, "/client/call-api", &[]).await?;
    browser.follow(got).await?.shows("The API refused the token");
    let got = browser.press(&home, "/client/refresh", &[]).await?;
    browser.follow(got).await?.shows("Access has ended");
    Ok(())
}

#[tokio::test]
async fn rfc9207_2_4_an_answer_of_another_issuer_is_thrown_away() -> Result<(), Failed> {
    let (mut browser, fake) = start().await?;
    for iss in ["", "&iss=https%3A%2F%2Fevil.example"] {
        let start = browser.get("/client/start").await?;
        let url = reqwest::Url::parse(&start.location)?;
        let query: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(query["code_challenge_method"], "S256");
        let page = browser.visit(&format!("/client/callback?code=1&state={}{iss}", query["state"])).await?;
        page.shows("another server");
    }
    assert!(fake.with(|memory| memory.calls.iter().all(|(call, _)| call != "POST /oauth2/token")));
    Ok(())
}

#[tokio::test]
async fn rfc6750_3_the_api_challenges_whoever_has_no_good_token() -> Result<(), Failed> {
    let (browser, _fake) = start().await?;
    for (token, challenge) in [(None, "Bearer realm=\"sundial-notes\""), (Some("guess"), "error=\"invalid_token\"")] {
        let mut call = browser.http.get(browser.absolute("/api/notes"));
        if let Some(token) = token {
            call = call.bearer_auth(token);
        }
        let answer = call.send().await?;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        let sent = answer.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert!(sent.contains(challenge), "{sent}");
    }
    Ok(())
}

#[tokio::test]
async fn the_index_and_the_api_introduce_themselves() -> Result<(), Failed> {
    let (mut browser, fake) = start().await?;
    browser.visit("/").await?.shows(&format!("{}/docs/", fake.issuer));
    browser.visit("/api").await?.shows("GET /api/notes");
    assert_eq!(browser.visit("/nowhere").await?.status, StatusCode::NOT_FOUND);
    Ok(())
}
