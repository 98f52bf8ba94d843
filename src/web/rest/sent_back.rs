//! What came back of that which the site sets: whether it is what stands there.

use super::body::{self, Value};
use super::fields::{Field, Kind};
use chrono::{DateTime, FixedOffset};

/// Whether what was sent for a field is its present value. Of moments, and of what moves by itself, that is not asked:
/// they may be older than the last look, and nobody believes that she sets them.
pub(super) fn is_present<T>(field: &Field<T>, row: &T, sent: &Value) -> bool {
    if field.declared.is_passing {
        return true;
    }
    if matches!(field.declared.kind, Kind::Time) {
        return is_moment(sent);
    }
    let mut json = Vec::new();
    (field.get)(row).write_json(&mut json);
    body::json(&json).is_ok_and(|present| is_same(&present, sent))
}

/// Whether it is a moment, or none.
fn is_moment(sent: &Value) -> bool {
    let reads =
        |text: &str| text.is_empty() || DateTime::<FixedOffset>::parse_from_rfc3339(text).is_ok();
    match sent {
        Value::Null => true,
        Value::Text(text) => reads(text),
        Value::Typed(values) => values.iter().all(|text| reads(text)),
        _ => false,
    }
}

/// Whether two values are the same; of objects whatever the order of their keys, of numbers however they are written.
#[expect(
    clippy::float_cmp,
    reason = "what was read is sent back digit for digit"
)]
fn is_same(present: &Value, sent: &Value) -> bool {
    match (present, sent) {
        (Value::Integer(one), Value::Number(other))
        | (Value::Number(other), Value::Integer(one)) => *one as f64 == *other,
        (Value::List(ones), Value::List(others)) => {
            ones.len() == others.len()
                && ones
                    .iter()
                    .zip(others)
                    .all(|(one, other)| is_same(one, other))
        }
        (Value::Object(ones), Value::Object(others)) => {
            let at = |name: &str| others.iter().find(|(known, _)| known == name);
            ones.len() == others.len()
                && ones
                    .iter()
                    .all(|(name, one)| at(name).is_some_and(|(_, other)| is_same(one, other)))
        }
        (present, Value::Typed(values)) => is_typed(present, values),
        (present, sent) => present == sent,
    }
}

/// Whether a form would hold this as its fields were typed.
fn is_typed(present: &Value, values: &[String]) -> bool {
    let reads = |present: &Value, text: &String| match present {
        Value::Null => text.is_empty(),
        Value::Text(held) => held == text,
        other => body::json(text.trim().as_bytes()).is_ok_and(|sent| is_same(other, &sent)),
    };
    match (present, values) {
        (present, [text]) if reads(present, text) => true,
        (Value::List(held), values) => {
            let values: Vec<&String> = values.iter().filter(|text| !text.is_empty()).collect();
            held.len() == values.len()
                && held.iter().zip(values).all(|(one, text)| reads(one, text))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Value {
        body::json(json.as_bytes()).unwrap()
    }

    #[test]
    fn what_was_read_is_the_same_however_it_is_written() {
        for (present, sent) in [
            ("7", "7.0"),
            ("90.0", "90"),
            (
                r#"[{"id": 1, "title": "a"}]"#,
                r#"[{"title": "a", "id": 1}]"#,
            ),
            ("null", "null"),
        ] {
            assert!(is_same(&value(present), &value(sent)), "{present} {sent}");
        }
        for (present, sent) in [
            ("7", "8"),
            ("7", "\"7\""),
            ("null", "0"),
            (r#"[{"id": 1}]"#, r#"[{"id": 1, "x": 2}]"#),
            ("[1, 2]", "[2, 1]"),
            ("[]", "\"rubbish\""),
        ] {
            assert!(!is_same(&value(present), &value(sent)), "{present} {sent}");
        }
    }

    #[test]
    fn forms_send_back_what_was_typed() {
        let typed =
            |values: &[&str]| Value::Typed(values.iter().map(|&text| text.to_owned()).collect());
        assert!(is_same(&value("7"), &typed(&["7"])));
        assert!(is_same(&value("null"), &typed(&[""])));
        assert!(is_same(&value("[3, 1]"), &typed(&["3", "1"])));
        assert!(is_same(&value("[]"), &typed(&[""])));
        assert!(is_same(&value(r#"["a"]"#), &typed(&["a"])));
        assert!(!is_same(&value("7"), &typed(&["8"])));
        assert!(!is_same(&value("7"), &typed(&["7", "7"])));
        assert!(!is_same(&value("[3]"), &typed(&["3", "1"])));
    }

    #[test]
    fn moments_are_passed_over_when_they_are_some() {
        assert!(is_moment(&value("\"2026-03-02T09:30:00.123456Z\"")));
        assert!(is_moment(&value("\"2026-03-02T09:30:00+00:00\"")));
        assert!(is_moment(&value("null")));
        assert!(!is_moment(&value("\"yesterday\"")));
        assert!(!is_moment(&value("7")));
    }
}
