//! Hosts that the operator names as exceptions.

use std::str::FromStr;

/// A host, and perhaps one port of it: `login.internal`, `login.internal:8443`, `[::1]:8443`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    host: String,
    port: Option<u16>,
}

/// A text that names no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a host, or a host and a port")]
pub struct NotAHost;

impl FromStr for HostPattern {
    type Err = NotAHost;

    fn from_str(text: &str) -> Result<Self, NotAHost> {
        // A URL has the last word on what a host is, so that what is compared is written in one way.
        let url = url::Url::parse(&format!("http://{text}/")).map_err(|_| NotAHost)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(NotAHost)?;
        let port = text[host.len().min(text.len())..].strip_prefix(':').map(str::parse).transpose().map_err(|_| NotAHost)?;
        let whole = port.map_or_else(|| host.to_owned(), |port: u16| format!("{host}:{port}"));
        if whole.eq_ignore_ascii_case(text) { Ok(Self { host: host.to_owned(), port }) } else { Err(NotAHost) }
    }
}

impl HostPattern {
    /// Whether it is this port of this host.
    pub fn matches(&self, host: &str, port: u16) -> bool {
        self.host == host && self.port.is_none_or(|own| own == port)
    }

    /// Whether it names nothing that the other does not name.
    pub fn is_within(&self, other: &Self) -> bool {
        self.host == other.host && (other.port.is_none() || self.port == other.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_with_or_without_a_port() {
        let pattern = |text: &str| text.parse::<HostPattern>();
        assert!(pattern("login.internal").unwrap().matches("login.internal", 8443));
        assert!(pattern("Login.Internal:8443").unwrap().matches("login.internal", 8443));
        assert!(!pattern("login.internal:8443").unwrap().matches("login.internal", 443));
        assert!(!pattern("login.internal").unwrap().matches("a.login.internal", 443));
        assert!(pattern("[::1]:80").unwrap().matches("[::1]", 80));
        assert!(pattern("127.0.0.1").unwrap().matches("127.0.0.1", 1));
        for wrong in [
            "",
            "https://a.example",
            "a.example/",
            "a.example/x",
            "a b",
            "a:b",
            "a:99999",
            "@a",
            "x@a",
            "a?b",
            "a#b",
            "::1",
            "0x7f.1",
            ":80",
        ] {
            assert_eq!(pattern(wrong), Err(NotAHost), "{wrong}");
        }
    }

    #[test]
    fn one_port_lies_within_all_ports() {
        let pattern = |text: &str| text.parse::<HostPattern>().unwrap();
        assert!(pattern("a:1").is_within(&pattern("a")) && pattern("a").is_within(&pattern("a")));
        assert!(
            !pattern("a").is_within(&pattern("a:1"))
                && !pattern("a:2").is_within(&pattern("a:1"))
                && !pattern("b").is_within(&pattern("a"))
        );
    }
}
