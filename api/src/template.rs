//! Path templates: `/v1/clients/{client_id}`.

use std::sync::Arc;

use crate::percent::{NotDecodable, decode_segment};

/// What a path holds at the places a template names, in the template's order.
pub(crate) type Captured = Vec<(Arc<str>, String)>;

enum Segment {
    Literal(Box<str>),
    Parameter(Arc<str>),
}

/// A parsed template.
pub(crate) struct Template {
    text: Arc<str>,
    segments: Vec<Segment>,
    /// Whether the last parameter takes the rest of the path.
    has_tail: bool,
}

impl Template {
    pub(crate) fn new(text: &str) -> Self {
        let segment = |part: &str| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => Segment::Parameter(name.into()),
            None => Segment::Literal(part.into()),
        };
        Self { text: text.into(), segments: text.split('/').map(segment).collect(), has_tail: false }
    }

    /// Its last parameter takes the rest of the path, of whose segments none is empty.
    pub(crate) fn with_tail(self) -> Self {
        Self { has_tail: true, ..self }
    }

    /// The template as it was written.
    pub(crate) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Is this path one of the template's? A parameter is never empty.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let mut parts = path.split('/');
        let all = self.segments.iter().all(|segment| match (segment, parts.next()) {
            (Segment::Literal(literal), Some(part)) => **literal == *part,
            (Segment::Parameter(_), Some(part)) => !part.is_empty(),
            (_, None) => false,
        });
        all && if self.has_tail { parts.all(|part| !part.is_empty()) } else { parts.next().is_none() }
    }

    /// The parameters of a path that matches. A segment is decoded after the path was split, so an encoded slash
    /// stays inside its parameter.
    pub(crate) fn capture(&self, path: &str) -> Result<Captured, NotDecodable> {
        let mut captured = Captured::new();
        let parts = if self.has_tail { path.splitn(self.segments.len(), '/') } else { path.splitn(usize::MAX, '/') };
        for (segment, part) in self.segments.iter().zip(parts) {
            if let Segment::Parameter(name) = segment {
                captured.push((name.clone(), decode_segment(part)?));
            }
        }
        Ok(captured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_one_segment_and_not_empty() {
        let template = Template::new("/v1/subjects/{id}/grants/{grant_id}");
        assert!(template.matches("/v1/subjects/ana/grants/7"));
        for path in
            ["/v1/subjects//grants/7", "/v1/subjects/ana/grants", "/v1/subjects/ana/grants/7/", "/v1/subjects/a/b/grants/7", "*", ""]
        {
            assert!(!template.matches(path), "{path}");
        }
    }

    #[test]
    fn a_tail_is_one_parameter_of_many_segments() {
        let template = Template::new("/tile/{level}/{index}").with_tail();
        for (path, index) in [("/tile/0/067", "067"), ("/tile/0/x001/x234/067.p/8", "x001/x234/067.p/8")] {
            assert!(template.matches(path));
            assert_eq!(template.capture(path).unwrap(), [("level".into(), "0".to_owned()), ("index".into(), index.to_owned())]);
        }
        for path in ["/tile/0", "/tile/0/", "/tile/0/067/", "/tile/0//067", "/tile//067"] {
            assert!(!template.matches(path), "{path}");
        }
    }

    #[test]
    fn parameters_come_decoded_and_in_order() {
        let template = Template::new("/s/{id}/g/{grant_id}");
        let captured = template.capture("/s/a%2Fb/g/%C3%A9").unwrap();
        assert_eq!(captured, [("id".into(), "a/b".to_owned()), ("grant_id".into(), "é".to_owned())]);
        assert_eq!(template.capture("/s/%ff/g/1"), Err(NotDecodable));
    }

    #[test]
    fn a_trailing_slash_is_another_path() {
        assert!(Template::new("/docs/").matches("/docs/"));
        assert!(!Template::new("/docs/").matches("/docs"));
        assert!(!Template::new("/docs/{file}").matches("/docs/"));
    }
}
