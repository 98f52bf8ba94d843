//! What a key may look like, and how prefix, version and key become the name that a backend sees.
//! The rules are those of Memcached's text protocol (protocol.txt, "Keys"), held for every backend
//! alike, so that a program does not break when its cache is swapped.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::CacheError;

/// Longest name that Memcached takes, in bytes.
pub const MAX_BYTES: usize = 250;

/// Longest prefix, in bytes: leaves room for a version and a hash.
pub const MAX_PREFIX_BYTES: usize = 100;

/// The name under which a backend stores `key`: `prefix:version:key`, or, when that is longer than
/// 250 bytes, `prefix:version#` and the key's SHA-256 in URL-safe base64. No short key can be
/// mistaken for a hashed one, since the two differ in the sign after the version.
pub fn compose(prefix: &str, version: u32, key: &str) -> Result<String, CacheError> {
    check(key)?;
    let full = format!("{prefix}:{version}:{key}");
    if full.len() <= MAX_BYTES {
        return Ok(full);
    }
    let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(key.as_bytes()));
    Ok(format!("{prefix}:{version}#{hash}"))
}

/// Whether a stored name is one of those that [`compose`] makes with this prefix, in any version.
pub fn is_under(prefix: &str, name: &str) -> bool {
    let version = name
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix(':'));
    version.is_some_and(|rest| {
        let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        after.len() < rest.len() && after.starts_with([':', '#'])
    })
}

/// Refuses the keys that Memcached cannot take: empty, or with spaces or control characters.
pub fn check(key: &str) -> Result<(), CacheError> {
    let is_bad = key.is_empty() || key.chars().any(|c| c.is_whitespace() || c.is_control());
    if is_bad {
        // The text is shortened and escaped, because it ends in a log line.
        let shown: String = key
            .chars()
            .take(60)
            .flat_map(char::escape_default)
            .collect();
        return Err(CacheError::BadKey(shown));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_with_spaces_or_control_characters_are_refused() {
        for key in [
            "",
            "a b",
            "a\tb",
            "a\nb",
            "a\u{7f}",
            "a\u{0}",
            "a\u{a0}b",
            "a\u{2028}b",
        ] {
            assert!(compose("", 1, key).is_err(), "{key:?} was taken");
        }
        assert_eq!(
            compose("site", 2, "course:7").expect("a key"),
            "site:2:course:7"
        );
        assert!(compose("", 1, "Kürs:7").is_ok());
    }

    #[test]
    fn names_never_exceed_250_bytes_and_long_keys_stay_apart() {
        let long = "k".repeat(1_000);
        let prefix = "p".repeat(MAX_PREFIX_BYTES);
        let one = compose(&prefix, u32::MAX, &long).expect("a key");
        let two = compose(&prefix, u32::MAX, &format!("{long}x")).expect("a key");
        assert!(one.len() <= MAX_BYTES);
        assert_ne!(one, two);
        assert_eq!(
            compose("", 1, &"k".repeat(247)).expect("a key").len(),
            MAX_BYTES
        );
        assert!(
            compose("", 1, &"k".repeat(248))
                .expect("a key")
                .starts_with(":1#")
        );
    }

    #[test]
    fn names_of_another_prefix_are_not_ours() {
        for (prefix, key) in [("", "k"), ("site", "a:1:b"), ("site:1", "k")] {
            let name = compose(prefix, 7, key).expect("a key");
            assert!(is_under(prefix, &name), "{name}");
        }
        assert!(is_under(
            "",
            &compose("", 1, &"k".repeat(300)).expect("a key")
        ));
        for (prefix, name) in [
            ("site", "site:other:1:k"),
            ("site", "site2:1:k"),
            ("site", "site:1"),
            ("site", "site::k"),
            ("", "site:1:k"),
        ] {
            assert!(!is_under(prefix, name), "{name} is not under {prefix:?}");
        }
    }

    #[test]
    fn a_key_cannot_be_forged_to_meet_a_long_one() {
        let hashed = compose("", 1, &"k".repeat(1_000)).expect("a key");
        let forged = hashed.trim_start_matches(":1#");
        assert_ne!(compose("", 1, forged).expect("a key"), hashed);
        assert_ne!(
            compose("", 1, &format!("#{forged}")).expect("a key"),
            hashed
        );
    }

    #[test]
    fn an_error_shows_the_key_shortened_and_escaped() {
        let error = compose("", 1, &format!("a\n{}", "b".repeat(500))).expect_err("refused");
        let text = error.to_string();
        assert!(!text.contains('\n') && text.len() < 250, "{text}");
    }
}
