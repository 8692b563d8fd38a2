//! Whose request it is when proxies stand in front.
//!
//! Anyone can send `Forwarded`. It is read only when the TCP peer is a proxy we trust, and from the right: each entry
//! was added by the hop after it, so an entry is as good as that hop. The first address that is not a trusted proxy
//! is the client; what stands left of it was said by the client itself.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The header that the proxies write. One only: a proxy that sets one lets the other through as the client sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Forwarded-For`.
    XForwardedFor,
}

/// How to find the address of a client.
#[derive(Clone, Debug, Default)]
pub struct ClientAddress {
    trusted: Vec<IpNet>,
    header: Option<ForwardedHeader>,
}

impl ClientAddress {
    /// The TCP peer is the client.
    pub fn of_peer() -> Self {
        Self::default()
    }

    /// Peers in these networks are proxies, which write this header.
    pub fn behind(trusted_proxies: Vec<IpNet>, header: ForwardedHeader) -> Self {
        Self { trusted: trusted_proxies, header: Some(header) }
    }

    /// The address of the client.
    pub fn resolve(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let Some(header) = self.header else { return client };
        let mut hops = hops(header, headers);
        while self.trusts(client) {
            match hops.pop() {
                Some(Some(address)) => client = address,
                // An unreadable entry ends what can be known: the hop that wrote it is the nearest to the client.
                Some(None) | None => break,
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

/// The entries of every line of the header, in order; `None` where there is no address. A line is read by itself, so
/// that an open quote in a line of the client can't swallow the line of the proxy.
fn hops(header: ForwardedHeader, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let name = match header {
        ForwardedHeader::Forwarded => "forwarded",
        ForwardedHeader::XForwardedFor => "x-forwarded-for",
    };
    let line = |value: &HeaderValue| match (value.to_str(), header) {
        (Err(_), _) => vec![None],
        (Ok(line), ForwardedHeader::Forwarded) => forwarded(line),
        (Ok(line), ForwardedHeader::XForwardedFor) => line.split(',').map(|entry| node(entry.trim())).collect(),
    };
    headers.get_all(name).iter().flat_map(line).collect()
}

/// RFC 7239 §4: elements by comma, pairs by semicolon, values as tokens or quoted strings.
fn forwarded(line: &str) -> Vec<Option<IpAddr>> {
    let Some(elements) = split_unquoted(line, ',') else { return vec![None] };
    elements.into_iter().map(forwarded_for).collect()
}

fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut addresses = split_unquoted(element, ';')?.into_iter().filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for").then(|| node(unquote(value)))
    });
    let address = addresses.next()?;
    // RFC 7239 §4: each parameter once per element.
    if addresses.next().is_some() { None } else { address }
}

fn unquote(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// Splits outside of quoted strings; `None` when a quote is left open.
fn split_unquoted(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if character == separator && !quoted => {
                parts.push(&text[start..at]);
                start = at + character.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!quoted).then_some(parts)
}

/// RFC 7239 §6: an address, perhaps with a port, IPv6 in brackets. `unknown` and `_names` are no address.
fn node(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse::<IpAddr>().ok().or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn resolve(peer: &str, header: ForwardedHeader, lines: &[&'static str]) -> String {
        let name = match header {
            ForwardedHeader::Forwarded => "forwarded",
            ForwardedHeader::XForwardedFor => "x-forwarded-for",
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(line));
        }
        let proxies = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        ClientAddress::behind(proxies.into(), header).resolve(peer.parse().unwrap(), &headers).to_string()
    }

    use ForwardedHeader::{Forwarded, XForwardedFor};

    #[test]
    fn a_peer_that_is_no_proxy_is_the_client_whatever_it_says() {
        assert_eq!(resolve("198.51.100.7", XForwardedFor, &["203.0.113.9"]), "198.51.100.7");
        assert_eq!(resolve("198.51.100.7", Forwarded, &["for=203.0.113.9"]), "198.51.100.7");
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-forwarded-for"), HeaderValue::from_static("203.0.113.9"))]);
        assert_eq!(ClientAddress::of_peer().resolve([10, 0, 0, 1].into(), &headers).to_string(), "10.0.0.1");
    }

    #[test]
    fn the_right_most_address_that_is_no_proxy_counts() {
        assert_eq!(resolve("10.0.0.1", XForwardedFor, &["192.0.2.66, 203.0.113.9, 10.0.0.2"]), "203.0.113.9");
        assert_eq!(resolve("10.0.0.1", XForwardedFor, &["192.0.2.66", "203.0.113.9"]), "203.0.113.9");
        assert_eq!(resolve("::ffff:10.0.0.1", XForwardedFor, &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(resolve("10.0.0.1", XForwardedFor, &["10.0.0.3,10.0.0.2"]), "10.0.0.3");
        assert_eq!(resolve("10.0.0.1", XForwardedFor, &[]), "10.0.0.1");
    }

    #[test]
    fn rfc7239_6_nodes_have_ports_brackets_and_quotes() {
        assert_eq!(resolve("fd00::1", Forwarded, &["for=192.0.2.66, For=\"[2001:db8::17]:4711\";proto=https;by=10.0.0.1"]), "2001:db8::17");
        assert_eq!(resolve("10.0.0.1", Forwarded, &["proto=https; for=203.0.113.9:80"]), "203.0.113.9");
        assert_eq!(resolve("10.0.0.1", XForwardedFor, &["[2001:db8::17]"]), "2001:db8::17");
    }

    #[test]
    fn an_entry_that_is_no_address_hides_what_is_left_of_it() {
        assert_eq!(resolve("10.0.0.1", XForwardedFor, &["203.0.113.9, unknown"]), "10.0.0.1");
        assert_eq!(resolve("10.0.0.1", Forwarded, &["for=203.0.113.9, for=_hidden, for=10.0.0.2"]), "10.0.0.2");
        assert_eq!(resolve("10.0.0.1", Forwarded, &["for=203.0.113.9;for=192.0.2.66"]), "10.0.0.1");
    }

    #[test]
    fn an_open_quote_of_the_client_can_not_swallow_the_proxys_entry() {
        assert_eq!(resolve("10.0.0.1", Forwarded, &["for=192.0.2.66;x=\"", "for=203.0.113.9"]), "203.0.113.9");
        assert_eq!(resolve("10.0.0.1", Forwarded, &["for=192.0.2.66;x=\", for=203.0.113.9"]), "10.0.0.1");
        assert_eq!(resolve("10.0.0.1", Forwarded, &["for=192.0.2.66;x=\"\\", "for=203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn the_other_header_is_not_read() {
        let headers = HeaderMap::from_iter([(HeaderName::from_static("forwarded"), HeaderValue::from_static("for=203.0.113.9"))]);
        let address = ClientAddress::behind(vec!["10.0.0.0/8".parse().unwrap()], XForwardedFor);
        assert_eq!(address.resolve([10, 0, 0, 1].into(), &headers).to_string(), "10.0.0.1");
    }
}
