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

/// What is stored under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A value: `prefix:version:key`.
    Value,
    /// That somebody computes the value just now: `prefix:version!key`.
    Lock,
    /// That the value is fresh: `prefix:version~key`.
    Mark,
}

impl Kind {
    /// What stands behind the version in front of a key, and in front of a hash. No name of one
    /// kind can be mistaken for one of another, nor a short key for a hashed one.
    fn signs(self) -> (char, char) {
        match self {
            Self::Value => (':', '#'),
            Self::Lock => ('!', '%'),
            Self::Mark => ('~', '='),
        }
    }
}

/// What all names of a prefix and version begin with.
pub fn head(prefix: &str, version: u32) -> String {
    format!("{prefix}:{version}")
}

/// The name under which a backend stores `key`: `prefix:version:key`, or, when that is longer than
/// 250 bytes, `prefix:version#` and the key's SHA-256 in URL-safe base64.
pub fn compose(prefix: &str, version: u32, key: &str) -> Result<String, CacheError> {
    check(key)?;
    Ok(join(&head(prefix, version), Kind::Value, key))
}

/// The name of a checked key behind its [`head`].
pub fn join(head: &str, kind: Kind, key: &str) -> String {
    let (plain, hashed) = kind.signs();
    if head.len() + 1 + key.len() > MAX_BYTES {
        return format!("{head}{hashed}{}", hash(key));
    }
    let mut name = String::with_capacity(head.len() + 1 + key.len());
    name.push_str(head);
    name.push(plain);
    name.push_str(key);
    name
}

/// What a key function made, checked; when it is longer than 250 bytes, its hash behind `head`.
pub fn accept(head: &str, made: String) -> Result<String, CacheError> {
    check(&made)?;
    if made.len() <= MAX_BYTES {
        return Ok(made);
    }
    Ok(format!("{head}#{}", hash(&made)))
}

fn hash(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(key.as_bytes()))
}

/// Whether a stored name is one of those that [`compose`] makes with this prefix, in any version.
pub fn is_under(prefix: &str, name: &str) -> bool {
    let version = name
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix(':'));
    version.is_some_and(|rest| {
        let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        after.len() < rest.len() && after.starts_with([':', '#', '!', '%', '~', '='])
    })
}

/// Refuses the keys that Memcached cannot take: empty, or with spaces or control characters.
pub fn check(key: &str) -> Result<(), CacheError> {
    let is_plain = key.bytes().all(|byte| byte.is_ascii_graphic());
    let is_bad =
        key.is_empty() || !is_plain && key.chars().any(|c| c.is_whitespace() || c.is_control());
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
        for (prefix, key) in [("", "k"), ("site", "a:1:b"), ("site:b", "k")] {
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
    fn locks_and_marks_meet_no_value() {
        let head = head("site", 1);
        let keys = [
            "k".to_owned(),
            "!k".to_owned(),
            "~k".to_owned(),
            "k".repeat(300),
        ];
        let mut names = std::collections::HashSet::new();
        for key in &keys {
            for kind in [Kind::Value, Kind::Lock, Kind::Mark] {
                let name = join(&head, kind, key);
                assert!(name.len() <= MAX_BYTES && is_under("site", &name), "{name}");
                assert!(names.insert(name), "{key} {kind:?}");
            }
        }
    }

    #[test]
    fn what_a_key_function_makes_is_held_to_the_same_rules() {
        assert_eq!(accept("a:1", "own-k".into()).expect("a name"), "own-k");
        assert!(accept("a:1", "own k".into()).is_err());
        let long = accept("a:1", "k".repeat(251)).expect("a name");
        assert!(long.starts_with("a:1#") && long.len() < MAX_BYTES);
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
