//! For how long an answer may be kept, by what its server says of it.

use std::time::SystemTime;

use grantlog_core::domain::Seconds;
use http::{
    HeaderMap,
    header::{AGE, CACHE_CONTROL, DATE, EXPIRES},
};

/// RFC 9111 §4.2: the lifetime that the server gave, less the age that a cache between added; None when it gave none.
pub fn fresh_for(headers: &HeaderMap) -> Option<Seconds> {
    let lifetime = lifetime(headers)?;
    let age = text(headers, AGE).and_then(|age| age.trim().parse::<u32>().ok()).unwrap_or(0);
    Some(Seconds(lifetime.saturating_sub(age)))
}

fn lifetime(headers: &HeaderMap) -> Option<u32> {
    let directives: Vec<String> = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|directive| directive.trim().to_ascii_lowercase())
        .collect();
    // RFC 9111 §5.2.2.4 and the clause that follows it: what may not be kept, or not without asking, is not fresh for a moment.
    if directives.iter().any(|directive| ["no-store", "no-cache"].iter().any(|never| directive.split('=').next() == Some(never))) {
        return Some(0);
    }
    if let Some(seconds) = directives.iter().find_map(|directive| directive.strip_prefix("max-age=")) {
        // RFC 9111 §1.2.2: a number that is too large is the largest there is; what is no number is not fresh.
        let seconds = seconds.trim_matches('"');
        let digits = !seconds.is_empty() && seconds.bytes().all(|b| b.is_ascii_digit());
        return Some(if digits { seconds.parse().unwrap_or(u32::MAX) } else { 0 });
    }
    expires(headers)
}

/// RFC 9111 §5.3: a date that can't be read has passed.
fn expires(headers: &HeaderMap) -> Option<u32> {
    let expires = text(headers, EXPIRES)?;
    let Ok(expires) = httpdate::parse_http_date(expires) else { return Some(0) };
    let date: SystemTime = text(headers, DATE).and_then(|date| httpdate::parse_http_date(date).ok())?;
    Some(expires.duration_since(date).map_or(0, |left| u32::try_from(left.as_secs()).unwrap_or(u32::MAX)))
}

fn text(headers: &HeaderMap, name: http::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn fresh(headers: &[(&'static str, &'static str)]) -> Option<u32> {
        let headers = headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
        fresh_for(&headers.collect()).map(|Seconds(seconds)| seconds)
    }

    #[test]
    fn rfc9111_4_2_the_age_is_taken_off_the_lifetime() {
        assert_eq!(fresh(&[("cache-control", "public, max-age=600")]), Some(600));
        assert_eq!(fresh(&[("cache-control", "Max-Age=600"), ("age", "500")]), Some(100));
        assert_eq!(fresh(&[("cache-control", "max-age=600"), ("age", "700")]), Some(0));
        assert_eq!(fresh(&[]), None);
        assert_eq!(fresh(&[("cache-control", "public")]), None);
    }

    #[test]
    fn rfc9111_5_2_2_4_what_may_not_be_kept_is_not_fresh() {
        for value in ["no-store", "no-cache", "no-cache=\"x\", max-age=600", "max-age=600, No-Store"] {
            assert_eq!(fresh(&[("cache-control", value)]), Some(0), "{value}");
        }
    }

    #[test]
    fn rfc9111_1_2_2_a_number_that_is_too_large_is_the_largest() {
        assert_eq!(fresh(&[("cache-control", "max-age=99999999999999999999")]), Some(u32::MAX));
        for value in ["max-age=", "max-age=-1", "max-age=1.5", "max-age=x"] {
            assert_eq!(fresh(&[("cache-control", value)]), Some(0), "{value}");
        }
        assert_eq!(fresh(&[("cache-control", "max-age=\"60\"")]), Some(60));
    }

    #[test]
    fn rfc9111_5_3_a_date_counts_where_nothing_else_is_said() {
        let date = ("date", "Tue, 03 Mar 2026 14:00:00 GMT");
        assert_eq!(fresh(&[date, ("expires", "Tue, 03 Mar 2026 14:10:00 GMT")]), Some(600));
        assert_eq!(fresh(&[date, ("expires", "Tue, 03 Mar 2026 13:00:00 GMT")]), Some(0));
        assert_eq!(fresh(&[date, ("expires", "0")]), Some(0));
        assert_eq!(fresh(&[date, ("expires", "Tue, 03 Mar 2026 14:10:00 GMT"), ("cache-control", "max-age=5")]), Some(5));
        assert_eq!(fresh(&[("expires", "Tue, 03 Mar 2026 14:10:00 GMT")]), None);
    }
}
