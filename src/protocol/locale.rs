//! Language tags (RFC 5646), and which of some texts a reader would like (RFC 4647, OIDC Core §3.1.2.1 `ui_locales`).

/// The longest tag that is accepted, in bytes.
const LONGEST: usize = 64;

/// Whether a text is a well-formed language tag: a language of letters, then subtags of letters and digits.
pub fn is_locale(text: &str) -> bool {
    let mut subtags = text.split('-');
    let language = subtags.next().unwrap_or_default();
    // RFC 5646 §2.1: a primary language has 2 to 8 letters, every other subtag 1 to 8 letters or digits.
    (2..=8).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_alphabetic())
        && subtags.all(|subtag| (1..=8).contains(&subtag.len()) && subtag.bytes().all(|b| b.is_ascii_alphanumeric()))
        && text.len() <= LONGEST
}

/// The first of the wanted locales (best first, separated by spaces) that something is available in, as it is spelled
/// there. A wanted tag is also met by its beginning: `de` will do for `de-CH`.
pub fn best_match<'a>(wanted: &str, available: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    wanted.split(' ').filter(|tag| is_locale(tag)).find_map(|tag| lookup(tag, available.clone()))
}

/// RFC 4647 §3.4: the tag itself, then without its last subtag, and so on; a single letter or digit goes together with
/// what it introduces.
fn lookup<'a>(tag: &str, available: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let mut range = tag;
    loop {
        if let Some(found) = available.clone().find(|own| own.eq_ignore_ascii_case(range)) {
            return Some(found);
        }
        range = range.rsplit_once('-')?.0;
        if let Some((rest, last)) = range.rsplit_once('-')
            && last.len() == 1
        {
            range = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rfc5646_2_1_a_tag_is_a_language_and_subtags() {
        for good in ["de", "de-CH", "zh-Hant-TW", "sr-Latn", "es-419", "de-x-formal"] {
            assert!(is_locale(good), "{good}");
        }
        for bad in ["", "d", "de_CH", "de-", "-de", "de--CH", "123", "de-verylongsubtag", "dé", "de CH", &format!("de{}", "-x".repeat(40))]
        {
            assert!(!is_locale(bad), "{bad:?}");
        }
    }

    #[test]
    fn rfc4647_3_4_the_best_match_is_the_longest_beginning_of_the_first_wanted_tag() {
        let best = |wanted: &str, available: &[&'static str]| best_match(wanted, available.iter().copied());
        assert_eq!(best("de-CH en", &["en", "de"]), Some("de"));
        assert_eq!(best("de-ch", &["de", "de-CH"]), Some("de-CH"));
        assert_eq!(best("fr pt-BR", &["en", "pt-BR"]), Some("pt-BR"));
        // The single letter is not tried by itself.
        assert_eq!(best("zh-Hant-CN-x-private1", &["zh-Hant-CN-x", "zh-Hant-CN"]), Some("zh-Hant-CN"));
        // A wanted `de` is not met by something more special.
        assert_eq!(best("de", &["de-CH"]), None);
        assert_eq!(best("", &["en"]), None);
        assert_eq!(best("_ en", &["en"]), Some("en"));
    }

    proptest! {
        #[test]
        fn looking_up_never_panics(wanted in "\\PC{0,40}", available in "\\PC{0,10}") {
            let _ = best_match(&wanted, std::iter::once(available.as_str()));
        }
    }
}
