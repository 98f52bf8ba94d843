//! An address made from a title, as the page's script makes it while one types.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Longest address, in characters.
const LONGEST: usize = 200;

/// Letters that are no letter with a mark.
const SPELLED: [(char, &str); 9] = [
    ('ß', "ss"),
    ('æ', "ae"),
    ('œ', "oe"),
    ('ø', "o"),
    ('ł', "l"),
    ('đ', "d"),
    ('ð', "d"),
    ('þ', "th"),
    ('ı', "i"),
];

/// Letters without their marks, digits, and single hyphens between them; empty when nothing of the title is left.
pub fn of(title: &str) -> String {
    let mut slug = String::new();
    let letters = title.nfkd().filter(|c| !is_combining_mark(*c));
    for c in letters.flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if let Some((_, spelled)) = SPELLED.iter().find(|(letter, _)| *letter == c) {
            slug.push_str(spelled);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(LONGEST);
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, of};
    use proptest::prelude::*;

    #[test]
    fn an_address_is_made_as_the_script_of_the_page_makes_it() {
        for (title, slug) in [
            ("Mathematics", "mathematics"),
            ("  Ölfarben & Übung!  ", "olfarben-ubung"),
            ("Straße nach Łódź", "strasse-nach-lodz"),
            ("Café №5 ﬁne", "cafe-no5-fine"),
            ("日本語", ""),
            ("---", ""),
        ] {
            assert_eq!(of(title), slug, "{title}");
        }
    }

    proptest! {
        #[test]
        fn an_address_is_always_one_that_is_taken(title in "\\PC{0,300}") {
            let slug = of(&title);
            prop_assert!(slug.len() <= LONGEST);
            prop_assert!(slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            prop_assert!(!slug.starts_with('-') && !slug.ends_with('-') && !slug.contains("--"));
        }
    }
}
