//! The parameter `resource`: for which resource servers a token is wanted (RFC 8707 §2).

use super::{Params, uri};

/// The most resource servers that one request may name.
pub const MAX_RESOURCES: usize = 20;

/// A `resource` parameter that can name no resource server: `invalid_target` (RFC 8707 §2).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidResource {
    /// Not a URI, relative, or with a fragment.
    #[error("resource: {0:?} {1}")]
    Malformed(String, uri::UriError),
    /// More than [`MAX_RESOURCES`].
    #[error("resource: more than {MAX_RESOURCES} are named")]
    TooMany,
}

/// The resource servers that a request names, each once, in the order of the request.
pub fn resources(params: &Params) -> Result<Vec<String>, InvalidResource> {
    let mut named: Vec<String> = Vec::new();
    for resource in params.get_all("resource") {
        // RFC 8707 §2: an absolute URI without a fragment.
        uri::check_resource(resource).map_err(|why| InvalidResource::Malformed(resource.to_owned(), why))?;
        if !named.iter().any(|known| known == resource) {
            named.push(resource.to_owned());
        }
    }
    if named.len() > MAX_RESOURCES { Err(InvalidResource::TooMany) } else { Ok(named) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(resources_named: &[&str]) -> Result<Vec<String>, InvalidResource> {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(resources_named.iter().map(|r| ("resource", r))).finish();
        resources(&Params::parse(query.as_bytes()).unwrap())
    }

    #[test]
    fn rfc8707_2_several_may_be_named_and_each_counts_once() {
        assert_eq!(read(&[]).unwrap(), Vec::<String>::new());
        assert_eq!(read(&["https://b.example/", "urn:a", "https://b.example/"]).unwrap(), ["https://b.example/", "urn:a"]);
        let many: Vec<_> = (0..21).map(|n| format!("https://a.example/{n}")).collect();
        assert_eq!(read(&many.iter().map(String::as_str).collect::<Vec<_>>()), Err(InvalidResource::TooMany));
    }

    #[test]
    fn rfc8707_2_what_is_no_absolute_uri_without_a_fragment_is_refused() {
        for wrong in ["api", "/api", "https://a.example/#x", "https://a.example#", "https://", "http://a.example", "https://a b"] {
            assert!(matches!(read(&["https://b.example", wrong]), Err(InvalidResource::Malformed(..))), "{wrong}");
        }
    }
}
