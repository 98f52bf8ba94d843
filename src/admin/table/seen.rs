//! Whether what a form was drawn of still stands there when it is sent: who saves an old form would give back rights that
//! were taken meanwhile, and undo what others wrote.

use super::{Choices, Control, Entry};
use crate::error::Problems;
use crate::web::form::Form;
use crate::web::text;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The field in which a form says of what it was drawn.
pub const SEEN: &str = "seen";

/// Told above the form.
const STALE: &str = "Somebody has changed this since you opened it, and nothing of yours is saved. Where something else stands there now than you see here, it is told. Save once more to put yours in its place.";

/// Characters of what stands there that are told.
const LONGEST_TOLD: usize = 200;

/// What stands in the fields, and in the lines of its parts, in a word.
pub fn stamp(values: &Form, entries: &[Entry]) -> String {
    let mut pairs: Vec<(&str, &str)> = values.pairs().collect();
    pairs.sort_unstable();
    let lines = entries.iter().filter_map(|entry| match &entry.control {
        Control::Lines(lines) => Some(lines),
        _ => None,
    });
    let mut sum = Sha256::new();
    let mut add = |part: &str| {
        sum.update(part.len().to_le_bytes());
        sum.update(part);
    };
    for (name, value) in pairs {
        add(name);
        add(value);
    }
    for line in lines.flatten() {
        if let Some(id) = line.id {
            add(&id.to_string());
            add(&line.title);
            add(&line.place);
        }
    }
    let mut word = String::with_capacity(64);
    for byte in sum.finalize() {
        // Writing to a string cannot fail.
        let _ = write!(word, "{byte:02x}");
    }
    word
}

/// What is told of a form that is sent too late: above it that it is, and at each field what stands there now where that
/// is not what was typed.
pub fn differences(entries: &[Entry], stands: &Form, typed: &Form) -> Problems {
    let mut problems = Problems::of(Problems::WHOLE, STALE);
    for entry in entries {
        if let Some(now) = now(entry, stands, typed) {
            let now = text::shorten(&now, LONGEST_TOLD);
            problems.add(entry.name, format!("Now: {now}"));
        }
    }
    problems
}

fn now(entry: &Entry, stands: &Form, typed: &Form) -> Option<String> {
    let name = entry.name;
    let quoted = |value: &str| match value {
        "" => "nothing".to_owned(),
        value => format!("“{value}”"),
    };
    match &entry.control {
        Control::Fixed(_) | Control::Password => None,
        Control::Check => {
            let words = if stands.is_set(name) { "yes" } else { "no" };
            (stands.is_set(name) != typed.is_set(name)).then(|| words.to_owned())
        }
        Control::One(choices) | Control::Any(choices) => {
            let [now, then] = [stands, typed].map(|form| form.all(name).collect::<BTreeSet<_>>());
            (now != then).then(|| quoted(&words_of(choices, &now)))
        }
        Control::Lines(lines) => {
            let titles = lines.iter().filter(|line| line.id.is_some());
            let titles: Vec<&str> = titles.map(|line| line.title.as_str()).collect();
            Some(quoted(&titles.join("; ")))
        }
        Control::Line(_) | Control::Slug(_) | Control::Mail | Control::Text => {
            let now = stands.long_text(name);
            (now != typed.long_text(name)).then(|| quoted(&now))
        }
    }
}

fn words_of(choices: &Choices, values: &BTreeSet<&str>) -> String {
    let chosen = choices
        .iter()
        .filter(|(value, _)| values.contains(value.as_str()));
    let words: Vec<&str> = chosen.map(|(_, words)| words.as_str()).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::table::Line;

    fn form(pairs: &[(&str, &str)]) -> Form {
        let pairs = pairs.iter();
        Form::from_pairs(
            pairs
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    fn entries(title: &str) -> Vec<Entry> {
        let line = Line {
            id: Some(7),
            title: title.into(),
            ..Line::default()
        };
        vec![
            Entry::new("name", "Name", Control::Line(150)),
            Entry::new("staff", "Staff", Control::Check),
            Entry::new("modules", "Modules", Control::Lines(vec![line])),
        ]
    }

    #[test]
    fn the_stamp_changes_with_each_field_and_each_part_and_not_with_their_order() {
        let first = stamp(&form(&[("name", "Maya"), ("group", "1")]), &entries("One"));
        let turned = stamp(&form(&[("group", "1"), ("name", "Maya")]), &entries("One"));
        assert_eq!(first, turned);
        for other in [
            stamp(&form(&[("name", "Mayas"), ("group", "1")]), &entries("One")),
            stamp(&form(&[("name", "Maya")]), &entries("One")),
            stamp(&form(&[("name", "Maya"), ("group", "1")]), &entries("Uno")),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn only_what_differs_is_told_with_what_stands_there() {
        let stands = form(&[("name", "Maya")]);
        let typed = form(&[("name", "Maya"), ("staff", "on")]);
        let problems = differences(&entries("One"), &stands, &typed);
        let told: Vec<_> = problems
            .iter()
            .map(|(field, words)| (field.to_owned(), words.to_vec()))
            .collect();
        assert!(
            told.iter()
                .any(|(field, words)| field == "staff" && words == &["Now: no"])
        );
        assert!(told.iter().all(|(field, _)| field != "name"));
    }
}
