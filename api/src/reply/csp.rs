//! The content security policies of our pages.

use http::HeaderValue;
use url::Url;

/// What a page may load and where it may send a form: at first nothing, nowhere.
#[derive(Clone, Debug)]
pub struct ContentSecurityPolicy {
    scripts: String,
    styles: String,
    images: &'static str,
    connect: &'static str,
    form_action: String,
}

impl ContentSecurityPolicy {
    /// A page that loads nothing and sends nothing.
    pub fn closed() -> Self {
        Self { scripts: "'none'".into(), styles: "'none'".into(), images: "'none'", connect: "'none'", form_action: "'none'".into() }
    }

    /// A page that loads scripts, styles, images and data from us.
    pub fn from_self() -> Self {
        Self { scripts: "'self'".into(), styles: "'self'".into(), images: "'self' data:", connect: "'self'", form_action: "'none'".into() }
    }

    /// The same without images that stand in the page itself.
    pub fn from_self_alone() -> Self {
        Self { images: "'self'", ..Self::from_self() }
    }

    /// Allows the one inline script that has this SHA-256 (base64).
    pub fn script_sha256(mut self, digest: &str) -> Self {
        self.scripts = hash_source(digest);
        self
    }

    /// Allows a form to go to the origin of this URL; a URL without an origin is allowed by its scheme.
    pub fn form_to(mut self, target: &Url) -> Self {
        let origin = target.origin();
        self.form_action = if origin.is_tuple() { origin.ascii_serialization() } else { format!("{}:", target.scheme()) };
        self
    }

    /// The value of the header.
    pub(crate) fn header(&self) -> HeaderValue {
        let Self { scripts, styles, images, connect, form_action } = self;
        let policy = format!(
            "default-src 'none'; script-src {scripts}; style-src {styles}; img-src {images}; connect-src {connect}; \
             form-action {form_action}; base-uri 'none'; frame-ancestors 'none'"
        );
        // Every part is ASCII by construction; a policy that could not be written must close the page, not open it.
        HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"))
    }
}

/// Keeps only the base64 alphabet, so that a digest can't add a directive.
fn hash_source(digest: &str) -> String {
    let digest: String = digest.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')).collect();
    format!("'sha256-{digest}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(policy: &ContentSecurityPolicy) -> String {
        policy.header().to_str().unwrap().to_owned()
    }

    #[test]
    fn a_form_may_go_to_one_origin_only() {
        let web = Url::parse("https://app.example:8443/cb;x?y=1").unwrap();
        assert!(text(&ContentSecurityPolicy::closed().form_to(&web)).contains("form-action https://app.example:8443; "));
        let native = Url::parse("com.example.app:/cb").unwrap();
        assert!(text(&ContentSecurityPolicy::closed().form_to(&native)).contains("form-action com.example.app:; "));
    }

    #[test]
    fn a_digest_can_not_add_a_directive() {
        assert!(
            text(&ContentSecurityPolicy::closed().script_sha256("ab+/='; script-src *")).contains("script-src 'sha256-ab+/=scriptsrc'; ")
        );
    }
}
