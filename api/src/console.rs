//! The console: pages for auditors, which ask the audit API with the key that is typed into them. They are public files, as whoever
//! has no key learns nothing from them.

use std::{collections::BTreeMap, future::ready, sync::Arc};

use http::{HeaderValue, Method};

use crate::{
    problem::{Problem, ProblemBody},
    reply::{self, ContentSecurityPolicy, Response},
    request::Request,
    routes::Table,
};

/// The console.
pub const CONSOLE: &str = "/console";
/// Its page; what the page loads lies beside it.
pub const INDEX: &str = "/console/";
/// What it loads.
pub const FILE: &str = "/console/{file}";

/// Its page is this file.
const PAGE: &str = "index.html";

/// A file of `api/console` with the type that its name stands for.
macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../console/", $name)))),*]
    };
}

/// Every file there is, as it was when the program was built.
const FILES: [(&str, &[u8]); 18] = files![
    "api.mjs",
    "app.mjs",
    "canonical.mjs",
    "console.css",
    "dom.mjs",
    "events.mjs",
    "export.mjs",
    "history.mjs",
    "history_view.mjs",
    "icon.svg",
    "index.html",
    "ledger.mjs",
    "ledger_view.mjs",
    "other_views.mjs",
    "timeline.mjs",
    "trust.mjs",
    "verification.mjs",
    "words.mjs",
];

/// The files with their tags, by name.
type Files = Arc<BTreeMap<&'static str, (&'static [u8], HeaderValue)>>;

/// Adds the console.
pub fn routes<A: Clone + Send + Sync + 'static>(table: Table<A>) -> Table<A> {
    let tagged = FILES.into_iter().map(|(name, bytes)| (name, (bytes, tag(bytes))));
    let files: Files = Arc::new(tagged.collect());
    let beside = files.clone();
    table
        .route(Method::GET, CONSOLE, |_, _| ready(console()))
        .route(Method::GET, INDEX, move |_, request| ready(console_index(&files, &request)))
        .route(Method::GET, FILE, move |_, request| ready(console_file(&beside, &request)))
}

/// The entity tag of a file: of its content, so another build of the same files has the same.
fn tag(bytes: &[u8]) -> HeaderValue {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let start: Vec<String> = hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    // Digits and quotes make a header in any case.
    HeaderValue::try_from(format!("\"{}\"", start.concat())).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// Go to the console.
#[utoipa::path(get, path = CONSOLE, tag = "audit", operation_id = "console", security(()),
    responses((status = 302, description = "The page is one level below.")))]
pub(crate) fn console() -> Response {
    // Relative, so that it is right below the path of an issuer and behind a proxy that takes one away.
    reply::found("console/")
}

/// Show the console.
///
/// A page for auditors: what people had agreed to and which apps could reach an organization at any moment, the events behind it, and proofs that are
/// checked in the browser. It asks this API with the key that is typed into it.
#[utoipa::path(get, path = INDEX, tag = "audit", operation_id = "consoleIndex", security(()),
    responses((status = 200, description = "The page.", content_type = "text/html"), (status = 304, description = "It is the one that the caller has.")))]
pub(crate) fn console_index(files: &Files, request: &Request) -> Result<Response, Problem> {
    answer(files, PAGE, request)
}

/// Read a file of the console.
#[utoipa::path(get, path = FILE, tag = "audit", operation_id = "consoleFile", security(()),
    params(("file" = String, Path, description = "The name of the file.")),
    responses((status = 200, description = "The file.", content((String = "text/html"), (String = "text/css"), (String = "text/javascript"), (String = "image/svg+xml"))),
        (status = 304, description = "It is the one that the caller has."),
        (status = 404, description = "There is no such file.", body = ProblemBody)))]
pub(crate) fn console_file(files: &Files, request: &Request) -> Result<Response, Problem> {
    answer(files, request.param("file")?, request)
}

fn answer(files: &Files, name: &str, request: &Request) -> Result<Response, Problem> {
    let (bytes, tag) = files.get(name).ok_or_else(|| Problem::not_found("There is no such file."))?;
    let known = request.header("if-none-match")?;
    Ok(reply::file(content_type(name), bytes, tag, known, &ContentSecurityPolicy::from_self_alone()))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "text/javascript; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use bytes::Bytes;

    use super::*;
    use crate::site::SiteOptions;

    async fn get(path: &str, known: Option<&HeaderValue>) -> http::Response<Bytes> {
        let mut request = http::Request::get(path).body(Bytes::new()).unwrap();
        if let Some(known) = known {
            request.headers_mut().insert("if-none-match", known.clone());
        }
        routes(Table::<()>::new()).into_site((), SiteOptions::default()).handle(request).await
    }

    fn text(name: &str) -> String {
        let (_, bytes) = FILES.into_iter().find(|(own, _)| *own == name).unwrap_or_else(|| panic!("{name} is not there"));
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// What a text loads: after each of these words, a name in quotes that begins with `./`.
    fn loaded(text: &str) -> BTreeSet<String> {
        text.split("\"./").skip(1).filter_map(|rest| rest.split_once('"')).map(|(name, _)| name.to_owned()).collect()
    }

    #[test]
    fn the_files_are_those_of_the_directory() {
        let directory = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("console")).unwrap();
        let there: BTreeSet<_> = directory.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(FILES.map(|(name, _)| name.to_owned()).into_iter().collect::<BTreeSet<_>>(), there);
    }

    #[test]
    fn every_file_is_loaded_by_another_and_everything_that_is_loaded_is_there() {
        let mut all = BTreeSet::from([PAGE.to_owned()]);
        for (name, _) in FILES {
            all.extend(loaded(&text(name)));
        }
        assert_eq!(all, FILES.map(|(name, _)| name.to_owned()).into_iter().collect::<BTreeSet<_>>());
    }

    #[test]
    fn nothing_is_inline_and_nothing_becomes_markup() {
        let page = text(PAGE);
        for inline in ["<style", " style=", " onclick=", "<script>", "javascript:"] {
            assert!(!page.contains(inline), "{inline}");
        }
        for (name, _) in FILES {
            let text = text(name);
            for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser", "srcdoc"] {
                assert!(!text.contains(way), "{name} has {way}");
            }
            assert!(!text.contains("https://") && (name == "icon.svg" || !text.contains("http://")), "{name} names another place");
        }
    }

    #[tokio::test]
    async fn every_file_has_its_type_and_is_under_a_policy_that_lets_in_nothing_of_others() {
        for (name, _) in FILES {
            let answer = get(&format!("/console/{name}"), None).await;
            assert_eq!(answer.status(), 200, "{name}");
            assert_eq!(answer.headers()["content-type"], content_type(name));
            assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
            assert_eq!(answer.headers()["referrer-policy"], "no-referrer");
            assert_eq!(answer.headers()["x-frame-options"], "DENY");
            assert_eq!(answer.headers()["cache-control"], "no-cache");
            assert_eq!(
                answer.headers()["content-security-policy"],
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
            );
        }
    }

    #[tokio::test]
    async fn the_page_is_below_its_path() {
        assert_eq!(get("/console", None).await.headers()["location"], "console/");
        let page = get("/console/", None).await;
        assert_eq!((page.status().as_u16(), &page.headers()["content-type"]), (200, &HeaderValue::from_static("text/html; charset=utf-8")));
        for other in ["/console/index.css", "/console/..%2Findex.html", "/console/a/b"] {
            assert_eq!(get(other, None).await.status(), 404, "{other}");
        }
    }

    #[tokio::test]
    async fn a_file_that_the_browser_has_is_not_sent_again() {
        let first = get("/console/app.mjs", None).await;
        let again = get("/console/app.mjs", Some(&first.headers()["etag"])).await;
        assert_eq!((again.status().as_u16(), again.body().len()), (304, 0));
        let other = get("/console/api.mjs", Some(&first.headers()["etag"])).await;
        assert_eq!(other.status(), 200);
    }
}
