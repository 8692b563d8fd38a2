//! Redirection endpoints (RFC 6749 §3.1.2, OAuth 2.1 §2.3).

use serde::{Deserialize, Serialize};

use super::uri::{self, Parts, UriError};

/// A redirect URI that was checked at the edge, in the very spelling it was registered or requested with.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct RedirectUri(pub(crate) String);

impl RedirectUri {
    /// Reads a redirect URI: `https`, `http` on this machine, or a private-use scheme (RFC 8252 §7).
    pub fn parse(text: &str) -> Result<Self, UriError> {
        // RFC 6749 §3.1.2: it must not have a fragment.
        if text.contains('#') {
            return Err(UriError::Fragment);
        }
        let parts = uri::check(text)?;
        match parts.scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => uri::check_web(text, &parts)?,
            scheme => check_private_use(scheme, &parts)?,
        }
        Ok(Self(text.to_owned()))
    }

    /// The URI as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether an authorization request may name `requested`, when this one is registered: only letter for letter
    /// (OAuth 2.1 §2.3.1), but for the port of a loopback URI that is registered without one (RFC 8252 §7.3).
    pub fn matches(&self, requested: &str) -> bool {
        self.0 == requested || self.matches_on_another_port(requested)
    }

    fn matches_on_another_port(&self, requested: &str) -> bool {
        let Some((before, after)) = self.around_open_port() else { return false };
        let Some(rest) = requested.strip_prefix(before).and_then(|rest| rest.strip_prefix(':')) else { return false };
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        uri::is_port(&rest[..digits]) && &rest[digits..] == after
    }

    /// Whether it stands for every port of this machine (RFC 8252 §7.3).
    pub fn matches_any_port(&self) -> bool {
        self.around_open_port().is_some()
    }

    /// What stands before and after the place of the port, when any port will do.
    fn around_open_port(&self) -> Option<(&str, &str)> {
        let parts = uri::split(&self.0)?;
        let host = parts.authority.filter(|authority| uri::is_loopback(authority))?;
        let end = parts.scheme.len() + "://".len() + host.len();
        parts.scheme.eq_ignore_ascii_case("http").then(|| self.0.split_at(end))
    }

    /// What to show to a person before anything that the client says of itself: the host, or the private-use scheme.
    pub fn host_for_display(&self) -> String {
        let web = uri::split(&self.0).filter(Parts::is_web);
        let host = web.and_then(|parts| uri::host_and_port(parts.authority?)).map(|(host, _)| host);
        let shown = host.or_else(|| uri::split(&self.0).map(|parts| parts.scheme));
        shown.unwrap_or(&self.0).to_ascii_lowercase()
    }

    /// The origin (RFC 6454 §6.2) of an `http` or `https` URI; others have none that could be named.
    pub fn origin(&self) -> Option<String> {
        let parts = uri::split(&self.0).filter(Parts::is_web)?;
        let (host, port) = uri::host_and_port(parts.authority?)?;
        let scheme = parts.scheme.to_ascii_lowercase();
        let host = host.to_ascii_lowercase();
        let default = if scheme == "https" { "443" } else { "80" };
        Some(match port.filter(|port| *port != default) {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        })
    }

    /// The URI with these parameters added. RFC 6749 §3.1.2: a query that it has is retained.
    pub fn with_params(&self, params: &[(&str, &str)]) -> String {
        let separator = match self.0.split_once('?') {
            None => "?",
            Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        let added = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
        if added.is_empty() { self.0.clone() } else { format!("{}{separator}{added}", self.0) }
    }
}

/// RFC 8252 §7.1: a private-use scheme is a domain name of the app's maker, reversed, so it has a period.
fn check_private_use(scheme: &str, parts: &Parts<'_>) -> Result<(), UriError> {
    if is_dangerous(scheme) {
        return Err(UriError::ForbiddenScheme(scheme.to_owned()));
    }
    if !scheme.contains('.') || scheme.split('.').any(str::is_empty) {
        return Err(UriError::SchemeWithoutDomain(scheme.to_owned()));
    }
    if parts.authority.is_none() && !parts.path.starts_with('/') {
        return Err(UriError::NotAbsolute);
    }
    Ok(())
}

/// Schemes that run or show content in the browser itself. The rule of the period keeps them out too; here they are
/// named, so that nobody who relaxes that rule lets them in.
fn is_dangerous(scheme: &str) -> bool {
    const SCHEMES: [&str; 12] =
        ["javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "view-source", "intent", "ws", "wss", "ftp"];
    SCHEMES.contains(&scheme)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn uri(text: &str) -> RedirectUri {
        RedirectUri::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    fn refusal(text: &str) -> UriError {
        RedirectUri::parse(text).expect_err(text)
    }

    #[test]
    fn sound_uris_keep_their_spelling() {
        for text in [
            "https://client.example.com/cb",
            "https://Client.Example.com:8443/cb?x=%20y&z",
            "HTTPS://client.example.com",
            "https://client.example.com/cb/https%3A%2F%2Fserver.example.com",
            "https://client.example.com/a.b/..c/...",
            "https://192.0.2.7/cb",
            "https://[2001:db8::7]/cb",
            "https://xn--bcher-kva.example/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:3000/cb",
            "http://localhost:3000/cb",
            "com.example.app:/oauth2redirect/example-provider",
            "com.example.app://callback",
        ] {
            assert_eq!(uri(text).as_str(), text);
        }
    }

    #[test]
    fn rfc6749_3_1_2_a_redirect_uri_is_absolute_and_has_no_fragment() {
        assert_eq!(refusal("https://client.example.com/cb#x"), UriError::Fragment);
        assert_eq!(refusal("https://client.example.com/cb#"), UriError::Fragment);
        for text in ["/cb", "cb", "//client.example.com/cb", "client.example.com/cb", "https:client", ":", "1a:/x", "https:/client/cb"] {
            assert_eq!(refusal(text), UriError::NotAbsolute, "{text}");
        }
    }

    #[test]
    fn schemes_that_run_in_the_browser_are_refused_in_any_letter_case() {
        for text in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "javascript://client.example.com/%0aalert(1)",
            "data:text/html,x",
            "DATA:text/html;base64,x",
            "VBScript:x",
            "file:///etc/passwd",
            "blob:https://client.example.com/1",
            "about:blank",
            "view-source:https://client.example.com",
        ] {
            assert!(matches!(refusal(text), UriError::ForbiddenScheme(_)), "{text}");
        }
        for text in [" javascript:alert(1)", "java\tscript:alert(1)", "\u{1}javascript:alert(1)", "java script:alert(1)"] {
            assert!(matches!(refusal(text), UriError::Character), "{text}");
        }
    }

    #[test]
    fn rfc8252_7_1_a_private_use_scheme_is_a_reversed_domain_name() {
        for text in ["myapp:/cb", "myapp://cb", "x-app:/cb", ".app:/cb", "app.:/cb", "a..b:/cb"] {
            assert!(matches!(refusal(text), UriError::SchemeWithoutDomain(_) | UriError::NotAbsolute), "{text}");
        }
        assert_eq!(refusal("com.example.app:cb"), UriError::NotAbsolute);
        assert_eq!(refusal("com.example.app:"), UriError::NotAbsolute);
    }

    #[test]
    fn rfc8252_7_3_http_is_for_this_machine_only() {
        for text in [
            "http://client.example.com/cb",
            "http://localhost.example.com/cb",
            "http://127.0.0.2/cb",
            "http://127.0.0.1.example.com/cb",
            "http://[::2]/cb",
        ] {
            assert_eq!(refusal(text), UriError::HttpNotLoopback, "{text}");
        }
    }

    #[test]
    fn userinfo_is_refused() {
        for text in [
            "https://user@client.example.com/cb",
            "https://user:password@client.example.com/cb",
            "https://client.example.com@@evil.example/cb",
            "http://localhost@evil.example/cb",
            "http://localhost:80@evil.example/cb",
            "com.example.app://a@b/cb",
        ] {
            assert_eq!(refusal(text), UriError::UserInfo, "{text}");
        }
    }

    #[test]
    fn characters_that_programs_read_differently_are_refused() {
        for text in [
            "https://client.example.com\\@evil.example/cb",
            "https://client.example.com/a b",
            "https://client.example.com/\r\nLocation:x",
            "https://client.example.com/ü",
            "https://bücher.example/cb",
            "https://client.example.com/<script>",
            "https://client.example.com/\"",
            "https://client.example.com/\0",
        ] {
            assert_eq!(refusal(text), UriError::Character, "{text}");
        }
        assert_eq!(refusal("https://client.example.com/%"), UriError::Escape);
        assert_eq!(refusal("https://client.example.com/%zz"), UriError::Escape);
    }

    #[test]
    fn hosts_that_programs_read_differently_are_refused() {
        for text in [
            "https://",
            "https:///cb",
            "https://?x",
            "https://*.example.com/cb",
            "https://%63lient.example.com/cb",
            "https://0x7f.1/cb",
            "https://2130706433/cb",
            "https://[0:0:0:0:0:0:0:1]/cb",
            "https://[::1/cb",
            "https://[::1]x/cb",
            "https://a,b/cb",
        ] {
            assert_eq!(refusal(text), UriError::Host, "{text}");
        }
        for text in [
            "https://a.example:/cb",
            "https://a.example:0/cb",
            "https://a.example:65536/cb",
            "https://a.example:0443/",
            "https://a.example:+1/",
        ] {
            assert_eq!(refusal(text), UriError::Port, "{text}");
        }
    }

    #[test]
    fn paths_that_climb_are_refused() {
        for text in [
            "https://client.example.com/cb/../admin",
            "https://client.example.com/cb/..",
            "https://client.example.com/./cb",
            "https://client.example.com/cb/%2e%2e/admin",
            "https://client.example.com/cb/%2E./admin",
            "https://client.example.com/cb/..;/admin",
            "https://client.example.com/cb/..;x=1/admin",
            "https://client.example.com/cb/..%2fadmin",
            "https://client.example.com/cb/..%5Cadmin",
            "com.example.app:/cb/../x",
        ] {
            assert_eq!(refusal(text), UriError::DotSegment, "{text}");
        }
        assert!(RedirectUri::parse("https://client.example.com/cb?path=../x").is_ok());
    }

    #[test]
    fn a_uri_of_more_than_2048_characters_is_refused() {
        let uri = |length: usize| format!("https://a/{}", "x".repeat(length - 10));
        assert!(RedirectUri::parse(&uri(2048)).is_ok());
        assert_eq!(refusal(&uri(2049)), UriError::TooLong);
    }

    #[test]
    fn oauth21_2_3_1_redirect_uris_match_letter_for_letter() {
        let registered = uri("https://client.example.com/cb?a=1");
        assert!(registered.matches("https://client.example.com/cb?a=1"));
        for other in [
            "https://client.example.com/cb",
            "https://client.example.com/cb?a=2",
            "https://client.example.com/cb?a=1&b=2",
            "https://client.example.com/cb/?a=1",
            "https://client.example.com:443/cb?a=1",
            "https://CLIENT.example.com/cb?a=1",
            "https://client.example.com:8443/cb?a=1",
            "https://client.example.com/c%62?a=1",
            "https://client.example.com/cb?a=1#",
            "",
        ] {
            assert!(!registered.matches(other), "{other}");
        }
    }

    #[test]
    fn rfc8252_7_3_a_loopback_uri_without_port_matches_any_port() {
        for host in ["127.0.0.1", "[::1]", "localhost"] {
            let registered = uri(&format!("http://{host}/cb?a=1"));
            assert!(registered.matches_any_port());
            for port in ["", ":1", ":51004", ":65535"] {
                assert!(registered.matches(&format!("http://{host}{port}/cb?a=1")), "{host}{port}");
            }
            for port in [":", ":0", ":65536", ":080", ":1x", ":80@evil.example", ":-1", ":99999999999"] {
                assert!(!registered.matches(&format!("http://{host}{port}/cb?a=1")), "{host}{port}");
            }
            assert!(!registered.matches(&format!("http://{host}:51004/cb?a=2")));
            assert!(!registered.matches(&format!("http://{host}:51004/cb")));
            assert!(!registered.matches(&format!("https://{host}:51004/cb?a=1")));
        }
        assert!(!uri("http://127.0.0.1/cb").matches("http://localhost:51004/cb"));
        assert!(!uri("http://localhost:3000/cb").matches("http://localhost:3001/cb"));
        assert!(!uri("https://localhost/cb").matches("https://localhost:3001/cb"));
        assert!(uri("http://localhost").matches("http://localhost:3001"));
        assert!(!uri("http://localhost").matches("http://localhost:3001.evil.example"));
    }

    #[test]
    fn rfc6749_3_1_2_an_existing_query_is_retained() {
        let added = [("code", "a b&c"), ("iss", "https://as.example")];
        let with = |text: &str| uri(text).with_params(&added);
        assert_eq!(with("https://a.example/cb"), "https://a.example/cb?code=a+b%26c&iss=https%3A%2F%2Fas.example");
        assert_eq!(with("https://a.example/cb?x=%2F"), "https://a.example/cb?x=%2F&code=a+b%26c&iss=https%3A%2F%2Fas.example");
        assert_eq!(with("https://a.example/cb?"), "https://a.example/cb?code=a+b%26c&iss=https%3A%2F%2Fas.example");
        assert_eq!(with("com.example.app:/cb"), "com.example.app:/cb?code=a+b%26c&iss=https%3A%2F%2Fas.example");
        assert_eq!(uri("https://a.example/cb").with_params(&[]), "https://a.example/cb");
    }

    #[test]
    fn the_host_is_shown_without_ornaments() {
        let shown = |text: &str| uri(text).host_for_display();
        assert_eq!(shown("https://Client.Example.com:8443/bank.example?x"), "client.example.com");
        assert_eq!(shown("http://[::1]:3000/cb"), "[::1]");
        assert_eq!(shown("com.example.app://bank.example/cb"), "com.example.app");
        assert_eq!(RedirectUri("recorded by an older program".to_owned()).host_for_display(), "recorded by an older program");
    }

    #[test]
    fn rfc6454_6_2_an_origin_is_scheme_host_and_port() {
        let origin = |text: &str| uri(text).origin();
        assert_eq!(origin("https://Client.example.com:443/cb").as_deref(), Some("https://client.example.com"));
        assert_eq!(origin("https://client.example.com:8443/cb").as_deref(), Some("https://client.example.com:8443"));
        assert_eq!(origin("http://localhost:3000/cb").as_deref(), Some("http://localhost:3000"));
        assert_eq!(origin("com.example.app://x/cb"), None);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,80}", nearly in "(https?|a\\.b|x)?(:/{0,3})?[a-z0-9.:@%;?#\\[\\]/\\\\-]{0,40}") {
            for text in [&text, &nearly] {
                let _ = RedirectUri::parse(text);
                let unchecked = RedirectUri(text.clone());
                let _ = (unchecked.matches(&nearly), unchecked.host_for_display(), unchecked.origin(), unchecked.with_params(&[("a", "b")]));
            }
        }

        #[test]
        fn what_is_printed_parses_back(host in "[a-z]{1,10}\\.example", path in "(/[a-z0-9~-]{1,8}){0,4}", query in "(\\?[a-z]{1,4}=[a-z0-9%20]{0,1})?") {
            prop_assume!(!query.ends_with('%'));
            let text = format!("https://{host}{path}{query}");
            let parsed = RedirectUri::parse(&text).unwrap();
            prop_assert_eq!(parsed.as_str(), &text);
            prop_assert!(parsed.matches(&text));
            let answered = parsed.with_params(&[("code", "x"), ("state", "a#b c")]);
            prop_assert!(RedirectUri::parse(&answered).is_ok());
            prop_assert!(!parsed.matches(&answered));
        }

        #[test]
        fn an_accepted_uri_means_the_same_to_a_browser(text in "(https|http|HTTPS)://[a-z0-9.:@%\\[\\]-]{0,20}[/a-z.;%0-9]{0,20}") {
            if let Ok(accepted) = RedirectUri::parse(&text) {
                let browser = url::Url::parse(&text).unwrap();
                prop_assert_eq!(browser.host_str().map(str::to_owned), Some(accepted.host_for_display()));
                prop_assert_eq!(Some(browser.origin().ascii_serialization()), accepted.origin());
                prop_assert!(browser.username().is_empty());
            }
        }
    }
}
