//! The two pages that the server itself shows: a form that posts an answer to a client, and what is wrong with a
//! request that can't be answered to its client. Everything else is the application's.

use base64::{Engine, prelude::BASE64_STANDARD};

/// What the form's script says; its hash goes into the content security policy.
const SUBMIT: &str = "document.forms[0].submit()";

/// A page with one inline script.
pub struct ScriptedPage {
    /// The page.
    pub html: String,
    /// The script's SHA-256, base64, for the content security policy.
    pub script_sha256: String,
}

/// A form that posts these fields to `action` by itself, or by its button.
pub fn form_post(action: &str, fields: &[(&'static str, String)]) -> ScriptedPage {
    let input =
        |(name, value): &(&'static str, String)| ["<input type=\"hidden\" name=\"", name, "\" value=\"", &escape(value), "\">"].concat();
    let inputs: String = fields.iter().map(input).collect();
    let body = format!(
        "<form method=\"post\" action=\"{}\">{inputs}<p>You are being sent back to the application.</p><button>Continue</button></form><script>{SUBMIT}</script>",
        escape(action)
    );
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, SUBMIT.as_bytes());
    ScriptedPage { html: page("Continue", &body), script_sha256: BASE64_STANDARD.encode(hash) }
}

/// What is wrong, in words.
pub fn error(code: &str, description: &str) -> String {
    let body = format!(
        "<h1>This link does not work</h1><p>The application that sent you here made a mistake in its request, so nobody can be asked for permission. Go back to it and try again; if that does not help, tell its makers:</p><pre>{}: {}</pre>",
        escape(code),
        escape(description)
    );
    page("This link does not work", &body)
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title></head><body>{body}</body></html>"
    )
}

/// Text inside elements and quoted attributes (HTML Standard §13.3).
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_can_not_leave_its_attribute() {
        let page = form_post("https://app.example/cb?a=1&b=2", &[("state", "\"><script>alert(1)</script>".to_owned())]);
        assert!(page.html.contains("value=\"&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\""));
        assert!(page.html.contains("action=\"https://app.example/cb?a=1&amp;b=2\""));
    }
}
