//! URIs (RFC 3986) as registrations may name them: only those that every program reads in the same way.

use url::Url;

/// The longest URI that is accepted.
pub const MAX_URI_LENGTH: usize = 2048;

/// What is wrong with a URI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// Longer than [`MAX_URI_LENGTH`].
    #[error("is longer than {MAX_URI_LENGTH} characters")]
    TooLong,
    /// White space, backslashes, control characters, or anything beyond ASCII.
    #[error("has a character that no URI has")]
    Character,
    /// A percent sign that no two hexadecimal digits follow.
    #[error("has a percent sign that two hexadecimal digits do not follow")]
    Escape,
    /// A `#`.
    #[error("has a fragment")]
    Fragment,
    /// No scheme, or nothing after it.
    #[error("is not an absolute URI")]
    NotAbsolute,
    /// `javascript` and its kind.
    #[error("has the scheme {0}, which is never allowed")]
    ForbiddenScheme(String),
    /// A private-use scheme that anybody could claim.
    #[error("has the scheme {0}; a private-use scheme must be a reversed domain name, such as com.example.app")]
    SchemeWithoutDomain(String),
    /// Neither `https` nor `http`, where nothing else will do.
    #[error("has a scheme other than https")]
    NotHttps,
    /// `http` to another machine.
    #[error("has the scheme http, which is for 127.0.0.1, [::1] and localhost only")]
    HttpNotLoopback,
    /// Something before an `@`.
    #[error("has a user name before its host")]
    UserInfo,
    /// No host, or one that programs read differently.
    #[error("has no plain host")]
    Host,
    /// A port that is none.
    #[error("has a port that is not a number from 1 to 65535")]
    Port,
    /// `.` or `..` in the path, however written.
    #[error("has a path with dot segments or encoded dots")]
    DotSegment,
}

/// A URI, taken apart without changing a letter.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub scheme: &'a str,
    pub authority: Option<&'a str>,
    pub path: &'a str,
}

impl Parts<'_> {
    /// Whether its scheme is `http` or `https`.
    pub fn is_web(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("http") || self.scheme.eq_ignore_ascii_case("https")
    }
}

/// RFC 3986 §3: takes a URI apart at its first delimiters.
pub(super) fn split(text: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = text.split_once(':')?;
    if !is_scheme(scheme) {
        return None;
    }
    let rest = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
    Some(match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            Parts { scheme, authority: Some(authority), path }
        }
        None => Parts { scheme, authority: None, path: rest },
    })
}

/// RFC 3986 §3.1: a letter, then letters, digits, `+`, `-` and `.`.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// What holds for every URI, of whatever scheme.
pub(super) fn check(text: &str) -> Result<Parts<'_>, UriError> {
    if text.len() > MAX_URI_LENGTH {
        return Err(UriError::TooLong);
    }
    if !text.bytes().all(is_uri_character) {
        return Err(UriError::Character);
    }
    check_escapes(text)?;
    let parts = split(text).ok_or(UriError::NotAbsolute)?;
    if parts.authority.is_some_and(|authority| authority.contains('@')) {
        return Err(UriError::UserInfo);
    }
    check_path(parts.path)?;
    Ok(parts)
}

/// What holds for an `http` or `https` URI: its host is plain and means the same to us and to a browser.
pub(super) fn check_web(text: &str, parts: &Parts<'_>) -> Result<(), UriError> {
    check_host(text, parts)?;
    let host = parts.authority.and_then(host_and_port).map_or("", |(host, _)| host);
    if parts.scheme.eq_ignore_ascii_case("http") && !is_loopback(host) {
        return Err(UriError::HttpNotLoopback);
    }
    Ok(())
}

fn check_host(text: &str, parts: &Parts<'_>) -> Result<(), UriError> {
    let authority = parts.authority.ok_or(UriError::NotAbsolute)?;
    let (host, port) = host_and_port(authority).ok_or(UriError::Host)?;
    if !is_plain_host(host) {
        return Err(UriError::Host);
    }
    if port.is_some_and(|port| !is_port(port)) {
        return Err(UriError::Port);
    }
    // A browser would read `0x7f.1` as 127.0.0.1 and `[0::1]` as `[::1]`: only what stays as it is may be registered.
    let browser = Url::parse(text).map_err(|_| UriError::Host)?;
    if browser.host_str() != Some(host.to_ascii_lowercase().as_str()) {
        return Err(UriError::Host);
    }
    Ok(())
}

/// A document that we fetch: whether by `https` alone is for whoever fetches it to say.
pub(super) fn check_fetched(text: &str) -> Result<(), UriError> {
    if text.contains('#') {
        return Err(UriError::Fragment);
    }
    let parts = check(text)?;
    if !parts.is_web() {
        return Err(UriError::NotHttps);
    }
    check_host(text, &parts)
}

/// A link to show to people: `https`, or `http` on this machine; a fragment is fine.
pub(super) fn check_link(text: &str) -> Result<(), UriError> {
    let parts = check(text)?;
    if parts.is_web() { check_web(text, &parts) } else { Err(UriError::NotHttps) }
}

/// The identifier of a resource server. RFC 8707 §2: an absolute URI without a fragment; over the web only by `https`,
/// or `http` on this machine.
pub(super) fn check_resource(text: &str) -> Result<(), UriError> {
    if text.contains('#') {
        return Err(UriError::Fragment);
    }
    let parts = check(text)?;
    if parts.is_web() { check_web(text, &parts) } else { Ok(()) }
}

/// RFC 3986 §2: unreserved, reserved, and the percent sign.
fn is_uri_character(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b)
}

fn check_escapes(text: &str) -> Result<(), UriError> {
    let escaped = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|b| b.is_ascii_hexdigit());
    if text.split('%').skip(1).all(escaped) { Ok(()) } else { Err(UriError::Escape) }
}

/// Servers disagree on what `..`, `%2e%2e` and `..;` mean, so a path has none of them.
fn check_path(path: &str) -> Result<(), UriError> {
    let path = path.to_ascii_lowercase().replace("%2f", "/").replace("%5c", "/").replace("%3b", ";");
    let dots = path.split(['/', ';']).any(|segment| segment == "." || segment == "..");
    if dots || path.contains("%2e") { Err(UriError::DotSegment) } else { Ok(()) }
}

/// Takes an authority apart.
pub(super) fn host_and_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let end = if authority.starts_with('[') { authority.find(']')? + 1 } else { authority.find(':').unwrap_or(authority.len()) };
    let (host, rest) = authority.split_at(end);
    match rest.strip_prefix(':') {
        Some(port) => Some((host, Some(port))),
        None => rest.is_empty().then_some((host, None)),
    }
}

/// A name, an IPv4 address, or an IPv6 address in brackets. The rest of RFC 3986 §3.2.2 has no use but mischief.
fn is_plain_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
    }
}

/// 1 to 65535, written as a browser writes it.
pub(super) fn is_port(text: &str) -> bool {
    text.starts_with(|c: char| matches!(c, '1'..='9')) && text.parse::<u16>().is_ok()
}

/// Whether it is this machine, by name or address (RFC 8252 §7.3).
pub(super) fn is_loopback(host: &str) -> bool {
    host == "127.0.0.1" || host == "[::1]" || host.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_https_or_on_this_machine() {
        for text in ["https://client.example.com/privacy#data", "https://client.example.com", "http://localhost:3000/logo.png"] {
            assert_eq!(check_link(text), Ok(()), "{text}");
        }
        assert_eq!(check_link("http://client.example.com"), Err(UriError::HttpNotLoopback));
        assert_eq!(check_link("javascript:alert(1)"), Err(UriError::NotHttps));
        assert_eq!(check_link("data:image/png;base64,x"), Err(UriError::NotHttps));
        assert_eq!(check_link("https://a@b.example"), Err(UriError::UserInfo));
        assert_eq!(check_link("logo.png"), Err(UriError::NotAbsolute));
        assert_eq!(check_link("https://a.example/ "), Err(UriError::Character));
    }
}
