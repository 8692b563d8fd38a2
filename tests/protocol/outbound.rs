use std::time::Duration;

use grantlog_core::app::fetch::{Fetch, FetchError, FetchRequest, Fetched};
use grantlog_outbound::{GuardedFetch, OutboundError, OutboundOptions};
use grantlog_tests::{Page, RemoteSite, guarded, outbound_options};
use serde_json::json;

async fn fetch(client: &GuardedFetch, url: &str) -> Result<Fetched, FetchError> {
    client.fetch(FetchRequest { url: url.to_owned(), accept: "application/json" }).await
}

#[tokio::test]
async fn a_document_is_fetched_with_its_type_and_its_lifetime() {
    let site = RemoteSite::start().await;
    site.answer("/a?b=c", Page::json(&json!({"x": 1})).with("cache-control", "max-age=600").with("age", "100"));
    let client = guarded(outbound_options(&[site.host()], &[]));
    let fetched = fetch(&client, &site.url("/a?b=c")).await.unwrap();
    assert_eq!((fetched.status, &fetched.body[..]), (200, br#"{"x":1}"#.as_slice()));
    assert!(fetched.is_of_type("application/json") && !fetched.is_of_type("text/html"));
    assert_eq!(fetched.fresh_for.map(|seconds| seconds.0), Some(500));
    assert_eq!(fetch(&client, &site.url("/missing")).await.unwrap().status, 404);
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let site = RemoteSite::start().await;
    site.answer("/from", Page::status(302).with("location", &site.url("/to")));
    let client = guarded(outbound_options(&[site.host()], &[]));
    assert_eq!(fetch(&client, &site.url("/from")).await.unwrap().status, 302);
    assert_eq!(site.visits("/to"), 0);
}

#[tokio::test]
async fn a_host_with_an_address_that_is_not_public_is_not_spoken_to() {
    let site = RemoteSite::start().await;
    let port = site.host().rsplit_once(':').unwrap().1;
    let client = guarded(outbound_options(&["other.internal", "localhost:1"], &[]));
    for host in ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "0x7f.1", "2130706433", "a.localhost", "localhost."] {
        let url = format!("https://{host}:{port}/x");
        assert!(matches!(fetch(&client, &url).await, Err(FetchError::NotPublic(_))), "{url}");
        assert!(matches!(client.check(&url), Err(FetchError::NotPublic(_))), "{url}");
    }
    for url in ["https://10.0.0.1/", "https://169.254.169.254/latest/meta-data", "https://[fd00::1]/", "https://192.168.1.1:8443/"] {
        assert!(matches!(fetch(&client, url).await, Err(FetchError::NotPublic(_))), "{url}");
    }
    assert_eq!(site.visits("/x"), 0);
}

#[tokio::test]
async fn only_https_is_spoken_unless_the_operator_says_otherwise() {
    let site = RemoteSite::start_insecure().await;
    site.answer("/", Page::json(&json!({})));
    let allowed = guarded(outbound_options(&[site.host()], &[]));
    assert_eq!(fetch(&allowed, &site.url("/")).await, Err(FetchError::NotHttps));
    // Whoever is only named among the insecure ones is not vouched for.
    let only_insecure = guarded(outbound_options(&[], &[site.host()]));
    assert_eq!(fetch(&only_insecure, &site.url("/")).await, Err(FetchError::NotHttps));
    let both = guarded(outbound_options(&[site.host()], &[site.host()]));
    assert_eq!(fetch(&both, &site.url("/")).await.unwrap().status, 200);
    for url in ["ftp://localhost/", "file:///etc/passwd", "gopher://localhost/", "data:,x"] {
        assert_eq!(fetch(&both, url).await, Err(FetchError::NotHttps), "{url}");
    }
    for url in ["", "localhost", "https://", "https://user@localhost/", "https://user:pass@localhost/"] {
        assert!(matches!(fetch(&both, url).await, Err(FetchError::Url(_))), "{url}");
    }
}

#[tokio::test]
async fn a_certificate_has_to_be_the_hosts_and_of_a_trusted_authority() {
    let impostor = RemoteSite::start_in_the_name_of("login.example.com").await;
    let client = guarded(outbound_options(&[impostor.host()], &[]));
    assert!(matches!(fetch(&client, &impostor.url("/")).await, Err(FetchError::Tls(_))));
    let site = RemoteSite::start().await;
    let without_authority = OutboundOptions { ca_file: None, ..outbound_options(&[site.host()], &[]) };
    assert!(matches!(fetch(&guarded(without_authority), &site.url("/")).await, Err(FetchError::Tls(_))));
    assert_eq!((impostor.visits("/"), site.visits("/")), (0, 0));
}

#[tokio::test]
async fn what_is_too_large_is_dropped_on_the_way() {
    let site = RemoteSite::start().await;
    let page = |bytes: usize| Page { body: vec![b'x'; bytes].into(), ..Page::status(200) };
    site.answer("/fits", page(16 * 1024));
    site.answer("/exceeds", page(16 * 1024 + 1));
    let client = guarded(outbound_options(&[site.host()], &[]));
    assert_eq!(fetch(&client, &site.url("/fits")).await.unwrap().body.len(), 16 * 1024);
    assert_eq!(fetch(&client, &site.url("/exceeds")).await, Err(FetchError::TooLarge(16 * 1024)));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    // The kernel takes the connection; nobody ever reads from it.
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let host = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
    let client = guarded(OutboundOptions { timeout: Duration::from_millis(50), ..outbound_options(&[&host], &[]) });
    assert_eq!(fetch(&client, &format!("https://{host}/")).await, Err(FetchError::TimedOut));
    drop(listener);
    assert!(matches!(fetch(&client, &format!("https://{host}/")).await, Err(FetchError::Unreachable(_))));
}

#[test]
fn authorities_that_cannot_be_read_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    for content in [None, Some(""), Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")] {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let options = OutboundOptions { ca_file: Some(file.clone()), ..outbound_options(&[], &[]) };
        assert!(matches!(GuardedFetch::new(options), Err(OutboundError::CaFile { .. })), "{content:?}");
    }
}
