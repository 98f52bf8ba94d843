//! What must hold of the parsers here whatever they are given: for the fuzz targets in `fuzz/`, and for
//! the tests, which try it with random bytes and with what the fuzzers have found.

use super::{credentials, redirect, text};
use axum::http::HeaderValue;
use axum::http::header::LOCATION;

/// What somebody wrote, as it stands on a page: no tag that is not ours, no address that runs.
pub fn written_text(bytes: &[u8]) {
    let written = String::from_utf8_lossy(bytes);
    for html in [text::markdown(&written), text::plain(&written)] {
        for tag in html.split('<').skip(1) {
            let tag = tag.split('>').next().unwrap_or("").to_ascii_lowercase();
            let name = tag.trim_start_matches('/').split([' ', '/']).next();
            let is_active = matches!(
                name,
                Some(
                    "script"
                        | "img"
                        | "svg"
                        | "iframe"
                        | "object"
                        | "style"
                        | "form"
                        | "input"
                        | "base"
                )
            );
            let schemes = ["href=\"javascript:", "href=\"data:", "href=\"vbscript:"];
            // Browsers leave these out of addresses (URL Standard, "URL parsing").
            let read = tag.replace(['\t', '\n', '\r'], "");
            assert!(
                !is_active && !schemes.iter().any(|bad| read.contains(bad)),
                "{html}"
            );
            // Attributes stand after a space outside of quotes.
            let bare: String = tag.split('"').step_by(2).collect();
            assert!(!bare.contains(" on"), "{html}");
        }
    }
    assert!(!text::escape(&written).contains(['<', '>', '"', '\'']));
    assert!(text::shorten(&written, 40).chars().count() <= 41);
    text::summary(&written, 40);
}

/// `Authorization`: told apart by its scheme, its value read or refused.
pub fn authorization(bytes: &[u8]) {
    let Ok(header) = HeaderValue::from_bytes(bytes) else {
        return;
    };
    if let Some(credentials::Shown::Basic(value)) = credentials::shown(&header) {
        let _ = credentials::name_and_password(&value);
    }
}

/// Where a form says to go next: a place of this site, or nowhere.
pub fn next_page(bytes: &[u8]) {
    let typed = String::from_utf8_lossy(bytes);
    if let Some(next) = redirect::local(&typed) {
        let site = url::Url::parse("https://site.example/here/");
        let led = site.and_then(|site| site.join(next));
        let host = led.as_ref().ok().and_then(url::Url::host_str);
        assert_eq!(host, Some("site.example"), "{next:?}");
        let answer = redirect::see_other(next);
        assert!(answer.headers().contains_key(LOCATION), "{next:?}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// Every parser with what the fuzzers have found for it.
    #[test]
    fn what_was_found_once_is_not_found_again() {
        for (name, check) in [
            ("written_text", super::written_text as fn(&[u8])),
            ("authorization", super::authorization),
            ("next_page", super::next_page),
        ] {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/kept/").to_owned() + name;
            for kept in std::fs::read_dir(&folder).expect("each target keeps something") {
                check(&std::fs::read(kept.unwrap().path()).unwrap());
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            text in "((Basic|Token|Bearer) |[A-Za-z0-9+/=]{0,20}|/|\\\\|//|\t|javascript:|[\\[\\]()<>*_`#&;:\"'=! ]){0,20}",
        ) {
            for bytes in [&bytes, text.as_bytes()] {
                super::written_text(bytes);
                super::authorization(bytes);
                super::next_page(bytes);
            }
        }
    }
}
