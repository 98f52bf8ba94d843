//! What a user name, a password and a mail address must be like.
//!
//! Rules that need the database (whether a name is taken) are checked where it is asked.

use crate::error::Problems;
use zxcvbn::feedback::{Feedback, Warning};
use zxcvbn::{Score, zxcvbn};

/// Characters that a user name may have.
pub const USERNAME_MAX: usize = 150;

/// Characters that a password must have.
pub const PASSWORD_MIN: usize = 8;

/// Characters that a password may have: beyond this it is a pasted file, not a password.
const PASSWORD_MAX: usize = 1_000;

/// A mail address has at most 254 characters (RFC 5321, erratum 1690).
pub const EMAIL_MAX: usize = 254;

/// From this likeness on, 0 to 1, a password is too like the user name; Django's threshold.
const TOO_LIKE: f64 = 0.7;

/// Whether the character may stand in a user name: `[\w.@+-]`, letters and digits of any script.
pub fn is_username_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '@' | '+' | '-')
}

/// Holds a user name to contract section 1: 1-150 of `[\w.@+-]`.
pub fn check_username(username: &str, field: &str, problems: &mut Problems) {
    if username.is_empty() {
        problems.add(field, "Type a user name.");
        return;
    }
    if username.chars().any(char::is_whitespace) {
        problems.add(
            field,
            "A user name has no spaces: only letters, digits and @ . + - _",
        );
    } else if !username.chars().all(is_username_char) {
        problems.add(
            field,
            "A user name has only letters, digits and @ . + - _ Please leave out the rest.",
        );
    }
    problems.check(
        username.chars().count() <= USERNAME_MAX,
        field,
        "A user name has at most 150 characters. Please shorten it.",
    );
}

/// Holds a password to contract section 1: at least 8 characters, not all digits, not like the
/// user name, not among the common ones. All that is wrong is told.
pub fn check_password(password: &str, username: &str, field: &str, problems: &mut Problems) {
    if password.is_empty() {
        problems.add(field, "Type a password.");
        return;
    }
    let length = password.chars().count();
    problems.check(
        length >= PASSWORD_MIN,
        field,
        "The password is too short. Use at least 8 characters.",
    );
    if length > PASSWORD_MAX {
        problems.add(
            field,
            "The password is too long. Use at most 1,000 characters.",
        );
        return;
    }
    problems.check(
        !password.chars().all(char::is_numeric),
        field,
        "The password has only digits. Add some letters.",
    );
    problems.check(
        !is_like(password, username),
        field,
        "The password is too like the user name. Choose another.",
    );
    problems.check(
        !is_common(password),
        field,
        "This password is among the common ones, which are tried first. A few words that do not belong together are better.",
    );
}

/// Holds a mail address, when there is one, to its form.
pub fn check_email(email: &str, field: &str, problems: &mut Problems) {
    if email.is_empty() {
        return;
    }
    problems.check(
        email.chars().count() <= EMAIL_MAX,
        field,
        "A mail address has at most 254 characters.",
    );
    let has_dot = email
        .rsplit_once('@')
        .is_some_and(|(_, domain)| domain.contains('.'));
    problems.check(
        has_dot && garde::rules::email::parse_email(email).is_ok(),
        field,
        "This is no mail address. It should look like maya@example.org",
    );
}

/// Whether somebody who guesses starts with it: the lists of common passwords, and what needs
/// fewer than a thousand guesses (`aaaaaaaa`).
fn is_common(password: &str) -> bool {
    let estimate = zxcvbn(password, &[]);
    let warning = estimate.feedback().and_then(Feedback::warning);
    estimate.score() == Score::Zero
        || matches!(
            warning,
            Some(
                Warning::ThisIsATop10Password
                    | Warning::ThisIsATop100Password
                    | Warning::ThisIsACommonPassword
            )
        )
}

/// Whether the password is the user name or a part of it with little changed, also reversed.
fn is_like(password: &str, username: &str) -> bool {
    let password: Vec<char> = password.to_lowercase().chars().take(200).collect();
    let reversed: Vec<char> = password.iter().rev().copied().collect();
    let username = username.to_lowercase();
    let parts = username.split(|c: char| !c.is_alphanumeric());
    parts.chain([username.as_str()]).any(|part| {
        let part: Vec<char> = part.chars().take(200).collect();
        likeness(&password, &part) >= TOO_LIKE || likeness(&reversed, &part) >= TOO_LIKE
    })
}

/// Twice the longest common subsequence by the sum of lengths, 0 to 1.
fn likeness(one: &[char], other: &[char]) -> f64 {
    if one.is_empty() || other.is_empty() {
        return 0.0;
    }
    let mut row = vec![0_usize; other.len()];
    for a in one {
        let (mut diagonal, mut left) = (0, 0);
        for (b, cell) in other.iter().zip(row.iter_mut()) {
            let above = *cell;
            *cell = if a == b {
                diagonal + 1
            } else {
                above.max(left)
            };
            (diagonal, left) = (above, *cell);
        }
    }
    let common = row.last().copied().unwrap_or(0);
    2.0 * common as f64 / (one.len() + other.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn username_faults(username: &str) -> usize {
        let mut problems = Problems::new();
        check_username(username, "username", &mut problems);
        problems.len()
    }

    fn password_faults(password: &str, username: &str) -> Vec<String> {
        let mut problems = Problems::new();
        check_password(password, username, "password1", &mut problems);
        problems.at("password1").to_vec()
    }

    proptest! {
        #[test]
        fn every_name_of_the_allowed_characters_is_taken(name in "[a-zA-Z0-9àÉßжя東京_.@+-]{1,150}") {
            prop_assert_eq!(username_faults(&name), 0);
        }

        #[test]
        fn a_name_with_any_other_character_is_refused(
            before in "[a-z]{0,70}", odd in "[ \\t!#$%&*,/:;<>?|~(){}😀]", after in "[a-z]{0,70}",
        ) {
            let name = format!("{before}{odd}{after}");
            prop_assert!(username_faults(&name) > 0);
        }

        #[test]
        fn a_name_over_150_characters_is_refused(name in "[a-zé]{151,300}") {
            prop_assert!(username_faults(&name) > 0);
        }

        #[test]
        fn no_text_breaks_the_rules(name in ".*", password in ".*") {
            let mut problems = Problems::new();
            check_username(&name, "username", &mut problems);
            check_password(&password, &name, "password1", &mut problems);
            check_email(&name, "email", &mut problems);
        }

        #[test]
        fn a_password_of_digits_alone_is_refused(password in "[0-9]{8,30}") {
            prop_assert!(!password_faults(&password, "maya").is_empty());
        }

        #[test]
        fn a_password_is_too_like_the_name_that_it_is(name in "[a-z]{8,40}") {
            let faults = password_faults(&name, &name);
            prop_assert!(faults.iter().any(|words| words.contains("too like")));
        }
    }

    #[test]
    fn every_fault_of_a_password_is_told_at_once() {
        let faults = password_faults("12345", "12345");
        assert_eq!(faults.len(), 4, "{faults:?}");
    }

    #[test]
    fn common_passwords_are_refused() {
        for common in [
            "password",
            "password1",
            "12345678a",
            "qwertyuiop",
            "sunshine",
            "iloveyou",
            "trustno1",
            "aaaaaaaa",
            "abcdefgh",
            "football",
            "superman",
            "PASSWORD",
        ] {
            assert!(
                password_faults(common, "maya")
                    .iter()
                    .any(|words| words.contains("common")),
                "{common}"
            );
        }
    }

    #[test]
    fn ordinary_passwords_are_taken() {
        for good in [
            "violet harbor 9",
            "correct horse battery",
            "s3cret-Pa55-phrase",
            "пароль для сайта",
            "test-pass-123",
            "geheim1234x",
        ] {
            assert_eq!(
                password_faults(good, "maya.okafor"),
                Vec::<String>::new(),
                "{good}"
            );
        }
    }

    #[test]
    fn a_password_made_of_the_name_is_refused() {
        for (password, username) in [
            ("mayaokafor", "maya.okafor"),
            ("okafor12", "maya.okafor"),
            ("rofako.ayam", "maya.okafor"),
            ("Testclient1", "testclient"),
        ] {
            assert!(
                password_faults(password, username)
                    .iter()
                    .any(|words| words.contains("too like")),
                "{password}"
            );
        }
    }

    #[test]
    fn mail_addresses_are_held_to_their_form() {
        let faults = |email: &str| {
            let mut problems = Problems::new();
            check_email(email, "email", &mut problems);
            problems.len()
        };
        for good in ["", "maya@example.org", "m.o+school@mail.example.co.uk"] {
            assert_eq!(faults(good), 0, "{good}");
        }
        for bad in [
            "maya",
            "maya@",
            "@example.org",
            "maya@localhost",
            "a b@example.org",
            "a@b@example.org",
        ] {
            assert!(faults(bad) > 0, "{bad}");
        }
    }
}
