//! What must hold of bodies whatever they are: for the fuzz target in `fuzz/`, and for the tests, which try it with
//! random bytes and with what the fuzzer has found.

use super::body::{self, PARSES};
use super::fields::{Access, Declared, Kind};
use super::given::{Given, Got};
use crate::error::Error;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue};
use futures::executor::block_on;

const PART: [Declared; 1] = [Declared::taken(
    "title",
    Kind::ShortText(5),
    Access::Required,
    "",
)];

fn fields() -> Vec<Declared> {
    use Access::{Optional, ReadOnly, Required};
    vec![
        Declared::taken("id", Kind::Integer, ReadOnly, ""),
        Declared::taken("a", Kind::ShortText(5), Required, ""),
        Declared::taken("b", Kind::Slug(9), Optional, "").or_null(),
        Declared::taken("c", Kind::Range(-1, 3), Optional, ""),
        Declared::taken("d", Kind::Boolean, Optional, ""),
        Declared::taken("e", Kind::Link("courses"), Optional, ""),
        Declared::taken("f", Kind::List(|| PART.to_vec()), Optional, ""),
        Declared::taken("g", Kind::References("modules"), Optional, ""),
        Declared::taken("h", Kind::Texts, Optional, ""),
        Declared::taken("i", Kind::Number, Optional, ""),
    ]
}

/// A body of one of the three types, by the first byte: refused in words, or read; and what is let through is what the
/// declaration says.
///
/// # Panics
/// When that does not hold.
pub fn api_body(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else {
        return;
    };
    let mime = match choice % 3 {
        0 => PARSES[0],
        1 => PARSES[1],
        _ => "multipart/form-data; boundary=B",
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(mime));
    let value = match block_on(body::read(&headers, Body::from(body.to_vec()))) {
        Ok(value) => value,
        Err(error) => {
            let is_ours = matches!(error, Error::BadRequest(_) | Error::Invalid(_));
            assert!(is_ours, "{error:?}");
            return;
        }
    };
    let given = Given::new(value, &fields(), true);
    let Ok(given) = given.checked() else {
        let Err(Error::Invalid(problems)) = given.checked() else {
            return;
        };
        // A fault repeats no more than a little of what was sent.
        let told = problems.iter().flat_map(|(_, sentences)| sentences);
        assert!(told.into_iter().all(|sentence| sentence.len() < 400));
        return;
    };
    let text = given.text("a").unwrap_or_default();
    assert!(text.chars().count() <= 5 && !text.contains('\0'));
    assert!(given.get("id").is_none());
    assert!(
        given
            .integer("c")
            .is_none_or(|number| (-1..=3).contains(&number))
    );
    assert!(given.get("c") != Some(&Got::Null));
    let numbers = given.integers("g").unwrap_or_default();
    let each: std::collections::BTreeSet<&i64> = numbers.iter().collect();
    assert_eq!(each.len(), numbers.len());
}

#[cfg(test)]
mod tests {
    use super::api_body;
    use proptest::prelude::*;

    #[test]
    fn what_was_found_once_is_not_found_again() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/kept/api_body");
        for kept in std::fs::read_dir(folder).expect("the target keeps something") {
            api_body(&std::fs::read(kept.unwrap().path()).unwrap());
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(
            choice in 0..3_u8,
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            text in "(\\{\"[a-i]\": |[\\[\\]{},:]|\"[a-i]\"|[a-i]=|&|null|true|-?[0-9]{1,20}|\"|--B\r\n|Content-Disposition: form-data; name=\"a\"\r\n\r\n){0,20}",
        ) {
            for bytes in [&bytes, text.as_bytes()] {
                let mut all = vec![choice];
                all.extend_from_slice(bytes);
                api_body(&all);
            }
        }
    }
}
