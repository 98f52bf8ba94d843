//! Bodies: JSON, url-encoded forms and multipart forms, read into one kind of [`Value`] within limits.
//!
//! What cannot be read is told before any field is looked at: 415 for another type, another charset than UTF-8 and
//! packed bodies, 413 for more than a megabyte, 400 for what is no JSON, names a key twice, goes too deep or holds
//! too much. What the fields may hold is the business of `given`.

use super::call::shortened;
use crate::error::{Error, Result};
use crate::web::csrf::{self, FORM_LIMIT_BYTES};
use crate::web::form::urlencoded_fields;
use axum::body::{Body, HttpBody as _};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use bytes::Bytes;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The types that bodies may have.
pub const PARSES: [&str; 3] = [
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
];

/// Most bytes of a body.
pub const LIMIT_BYTES: usize = FORM_LIMIT_BYTES;
/// Lists and objects within each other; nothing that is taken goes deeper than three.
const DEEPEST: usize = 16;
/// Values in one body, keys of objects not counted.
const MOST_VALUES: usize = 20_000;

/// A value of a body.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number within 64 bits.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// An object, each key once.
    Object(Vec<(String, Value)>),
    /// The values of one field of a form, as typed: what they are depends on the field.
    Typed(Vec<String>),
}

/// Reads the body; nothing sent is an object without fields.
///
/// # Errors
/// [`Error::UnsupportedType`], [`Error::TooLarge`], [`Error::BadRequest`].
pub async fn read(headers: &HeaderMap, body: Body) -> Result<Value> {
    if body.is_end_stream() {
        return Ok(Value::Object(Vec::new()));
    }
    // Before a byte is read of what is not taken anyway.
    let (content_type, mime) = type_of(headers)?;
    let bytes = collect(headers, body).await?;
    if bytes.is_empty() {
        return Ok(Value::Object(Vec::new()));
    }
    match mime.as_str() {
        "application/json" => json(&bytes),
        "multipart/form-data" => multipart(content_type, bytes).await,
        _ => grouped(urlencoded_fields(&bytes)?),
    }
}

/// What `Content-Type` says, and the type alone, when that is taken.
///
/// # Errors
/// [`Error::UnsupportedType`]; [`Error::BadRequest`] for a header that cannot be read.
fn type_of(headers: &HeaderMap) -> Result<(&str, String)> {
    let packed = one(headers, &CONTENT_ENCODING)?.unwrap_or("identity");
    if !packed.eq_ignore_ascii_case("identity") {
        return Err(Error::UnsupportedType(
            "Bodies are taken as they are, not packed: send no Content-Encoding.".into(),
        ));
    }
    let content_type = one(headers, &CONTENT_TYPE)?.unwrap_or_default();
    let (mime, charset) = parts_of(content_type);
    if !PARSES.contains(&mime.as_str()) {
        return Err(Error::UnsupportedType(format!(
            "Unsupported media type \"{}\" in request. Send {}.",
            shortened(content_type),
            PARSES.join(" or ")
        )));
    }
    if charset.is_some_and(|charset| !is_utf_8(&charset)) {
        return Err(Error::UnsupportedType(
            "Bodies are taken in UTF-8; another charset was named.".into(),
        ));
    }
    Ok((content_type, mime))
}

async fn collect(headers: &HeaderMap, body: Body) -> Result<Bytes> {
    let too_large = || {
        Error::TooLarge("A body here has up to 1 MB. Files are sent to /uploads/ instead.".into())
    };
    let said = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|length| length.parse::<u64>().ok());
    if said
        .is_some_and(|length| usize::try_from(length).map_or(true, |length| length > LIMIT_BYTES))
    {
        return Err(too_large());
    }
    let collected = axum::body::to_bytes(body, LIMIT_BYTES).await;
    collected.map_err(|error| {
        let is_too_large = error.into_inner().is::<http_body_util::LengthLimitError>();
        if is_too_large {
            too_large()
        } else {
            Error::BadRequest("The body broke off.".into())
        }
    })
}

/// The value of a header that may come once; another one could mean something else to somebody on the way.
pub(super) fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(Error::BadRequest(format!("The header {name} came twice.")));
    }
    let text = value.map(|value| value.to_str());
    text.transpose()
        .map_err(|_| Error::BadRequest(format!("The header {name} cannot be read.")))
}

/// Type and charset of a `Content-Type` (RFC 9110, section 8.3), in small letters.
fn parts_of(content_type: &str) -> (String, Option<String>) {
    let mut parts = content_type.split(';').map(str::trim);
    let mime = parts.next().unwrap_or_default().to_ascii_lowercase();
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        let is_it = name.trim().eq_ignore_ascii_case("charset");
        is_it.then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    });
    (mime, charset)
}

/// ASCII is a part of it.
fn is_utf_8(charset: &str) -> bool {
    matches!(charset, "utf-8" | "utf8" | "us-ascii" | "ascii")
}

/// Reads JSON (RFC 8259) strictly: each key once, nothing behind it, within limits.
///
/// # Errors
/// [`Error::BadRequest`], `JSON parse error - ...`.
pub fn json(bytes: &[u8]) -> Result<Value> {
    let refused = |told: String| Error::BadRequest(format!("JSON parse error - {told}"));
    let text = std::str::from_utf8(bytes)
        .map_err(|error| refused(format!("byte {} is no UTF-8", error.valid_up_to())))?;
    // A mark at the beginning may be passed over (section 8.1).
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut left = MOST_VALUES;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let seed = Seed {
        depth: 0,
        left: &mut left,
    };
    let value = seed.deserialize(&mut deserializer);
    let value = value.and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| refused(error.to_string()))
}

/// Reads one value, so deep, with so many left to read.
struct Seed<'a> {
    depth: usize,
    left: &'a mut usize,
}

impl Seed<'_> {
    /// For a value within this one.
    fn within<E: serde::de::Error>(&mut self) -> Result<Seed<'_>, E> {
        if self.depth >= DEEPEST {
            return Err(E::custom(format!("nested deeper than {DEEPEST} levels")));
        }
        *self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| E::custom(format!("more than {MOST_VALUES} values")))?;
        Ok(Seed {
            depth: self.depth + 1,
            left: self.left,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        let number = i64::try_from(value).map(Value::Integer);
        Ok(number.unwrap_or(Value::Number(value as f64)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut from: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = from.next_element_seed(self.within()?)? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut from: A) -> Result<Value, A::Error> {
        let mut fields: Vec<(String, Value)> = Vec::new();
        let mut known = std::collections::BTreeSet::new();
        while let Some(name) = from.next_key::<String>()? {
            if !known.insert(name.clone()) {
                let told = format!("the key “{}” comes twice", shortened(&name));
                return Err(A::Error::custom(told));
            }
            let value = from.next_value_seed(self.within()?)?;
            fields.push((name, value));
        }
        Ok(Value::Object(fields))
    }
}

/// The fields of a form by name, in the order in which the names first came.
fn grouped(pairs: Vec<(String, String)>) -> Result<Value> {
    if pairs.len() > MOST_VALUES {
        return Err(Error::BadRequest(format!(
            "The form holds more than {MOST_VALUES} fields."
        )));
    }
    let mut places = std::collections::HashMap::new();
    let mut fields: Vec<(String, Vec<String>)> = Vec::new();
    for (name, value) in pairs {
        // What guards against forged requests was looked at before.
        if name == csrf::FIELD {
            continue;
        }
        let place = *places.entry(name.clone()).or_insert(fields.len());
        match fields.get_mut(place) {
            Some((_, values)) => values.push(value),
            None => fields.push((name, vec![value])),
        }
    }
    let typed = |(name, values)| (name, Value::Typed(values));
    Ok(Value::Object(fields.into_iter().map(typed).collect()))
}

async fn multipart(content_type: &str, bytes: Bytes) -> Result<Value> {
    let unreadable = |_| {
        Error::BadRequest(
            "The form cannot be read: its parts do not stand as multipart/form-data says.".into(),
        )
    };
    let boundary = multer::parse_boundary(content_type).map_err(unreadable)?;
    let stream = futures::stream::once(async move { Ok::<_, std::convert::Infallible>(bytes) });
    let mut parts = multer::Multipart::new(stream, boundary);
    let mut pairs = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(unreadable)? {
        let name = part.name().unwrap_or_default().to_owned();
        // A browser sends an empty name where no file was chosen.
        match part.file_name() {
            Some("") => continue,
            Some(_) => {
                return Err(Error::invalid(
                    name,
                    "Files are not taken here: send them to /uploads/ (tus 1.0), or by the form of a content.",
                ));
            }
            None => {}
        }
        let value = part.bytes().await.map_err(unreadable)?;
        let value = String::from_utf8(value.into()).map_err(|_| {
            Error::BadRequest("The form holds bytes that are no text (UTF-8 is expected).".into())
        })?;
        pairs.push((name, value));
        if pairs.len() > MOST_VALUES {
            break;
        }
    }
    grouped(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    fn told(outcome: Result<Value>) -> String {
        match outcome {
            Err(error) => format!("{} {}", error.status().as_u16(), error.words()),
            Ok(_) => "read".into(),
        }
    }

    async fn sent(content_type: &str, body: &[u8]) -> Result<Value> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
        read(&headers, Body::from(body.to_vec())).await
    }

    #[test]
    fn json_is_read_as_it_stands() {
        let value = json(br#"{"a": [1, -2.5, "x\u00e9", null, true], "b": {}}"#).ok();
        let list = vec![
            Value::Integer(1),
            Value::Number(-2.5),
            Value::Text("xé".into()),
            Value::Null,
            Value::Boolean(true),
        ];
        let fields = vec![
            ("a".into(), Value::List(list)),
            ("b".into(), Value::Object(Vec::new())),
        ];
        assert!(value == Some(Value::Object(fields)));
    }

    #[test]
    fn a_key_that_comes_twice_is_refused_by_its_name_at_any_depth() {
        for body in [r#"{"a": 1, "a": 2}"#, r#"{"b": [{"a": 1, "\u0061": 2}]}"#] {
            let told = told(json(body.as_bytes()));
            assert!(
                told.starts_with("400 JSON parse error - the key “a” comes twice at line 1"),
                "{told}"
            );
        }
    }

    #[test]
    fn what_is_nested_ten_thousand_levels_deep_is_refused_and_overflows_nothing() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
            assert!(told(json(deep.as_bytes())).contains("nested deeper than 16 levels"));
            let never_closed = open.repeat(10_000);
            assert!(told(json(never_closed.as_bytes())).contains("nested deeper than 16 levels"));
        }
    }

    #[test]
    fn what_is_no_json_is_refused_in_a_sentence() {
        for (body, words) in [
            (&b"{"[..], "EOF while parsing"),
            (b"{} x", "trailing characters"),
            (b"{\"a\": NaN}", "expected value"),
            (b"{\"a\": 1e999}", "number out of range"),
            (b"{\"a\": \"\xff\"}", "byte 7 is no UTF-8"),
            (b"\xff\xfe{\x00}\x00", "byte 0 is no UTF-8"),
            (b"{\"a\": \"\\ud800\"}", "hex escape"),
            (b"{\"a\": 01}", "invalid number"),
            (b"{'a': 1}", "key must be a string"),
        ] {
            let told = told(json(body));
            assert!(
                told.starts_with("400 JSON parse error - ") && told.contains(words),
                "{told}"
            );
        }
        let long = format!("[{}]", vec!["0"; MOST_VALUES + 1].join(","));
        assert!(told(json(long.as_bytes())).contains("more than 20000 values"));
        assert!(json("\u{feff}{}".as_bytes()).is_ok());
    }

    #[test]
    fn numbers_beyond_64_bits_are_no_whole_numbers() {
        assert!(json(b"9223372036854775807").ok() == Some(Value::Integer(i64::MAX)));
        for large in ["9223372036854775808", "-9223372036854775809", "1e30", "1.0"] {
            assert!(
                matches!(json(large.as_bytes()), Ok(Value::Number(_))),
                "{large}"
            );
        }
    }

    #[tokio::test]
    async fn only_three_types_in_utf_8_are_read() {
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/json; profile=x",
        ] {
            assert_eq!(told(sent(good, b"{}").await), "read", "{good}");
        }
        for bad in [
            "text/plain",
            "application/jsonp",
            "application/json, text/html",
            "application/json; charset=utf-16",
            "application/json; charset=iso-8859-1",
            "application/x-www-form-urlencoded; charset=utf-7",
            "",
        ] {
            assert!(told(sent(bad, b"{}").await).starts_with("415 "), "{bad}");
        }
        let mut twice = HeaderMap::new();
        for value in ["application/json", "text/plain"] {
            twice.append(CONTENT_TYPE, HeaderValue::from_static(value));
        }
        assert!(told(read(&twice, Body::from("{}")).await).starts_with("400 "));
        let mut packed = HeaderMap::new();
        packed.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        packed.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(told(read(&packed, Body::from("{}")).await).starts_with("415 "));
    }

    #[tokio::test]
    async fn nothing_sent_is_an_object_without_fields_whatever_its_type() {
        let empty = read(&HeaderMap::new(), Body::empty()).await.ok();
        assert!(empty == Some(Value::Object(Vec::new())));
        assert_eq!(told(sent("text/plain", b"").await), "read");
    }

    #[tokio::test]
    async fn more_than_a_megabyte_is_too_large_whether_it_is_said_or_not() {
        let long = vec![b' '; LIMIT_BYTES + 1];
        assert!(told(sent("application/json", &long).await).starts_with("413 "));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("50000000"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        assert!(told(read(&headers, Body::from("{}")).await).starts_with("413 "));
    }

    #[tokio::test]
    async fn forms_of_both_kinds_are_read_alike_and_values_of_one_name_stay_together() {
        let one = sent(
            "application/x-www-form-urlencoded",
            b"a=1&b=x+y&a=2&csrfmiddlewaretoken=t",
        )
        .await;
        let body = "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n\
                    --B\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\nx y\r\n\
                    --B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n2\r\n\
                    --B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"\"\r\n\r\n\r\n--B--\r\n";
        let two = sent("multipart/form-data; boundary=B", body.as_bytes()).await;
        let typed = |values: &[&str]| Value::Typed(values.iter().map(|&v| v.into()).collect());
        let fields = vec![
            ("a".into(), typed(&["1", "2"])),
            ("b".into(), typed(&["x y"])),
        ];
        assert!(one.ok() == Some(Value::Object(fields.clone())));
        assert!(two.ok() == Some(Value::Object(fields)));
        let file = body.replace("filename=\"\"", "filename=\"a.pdf\"");
        let refused = sent("multipart/form-data; boundary=B", file.as_bytes()).await;
        assert!(matches!(refused, Err(Error::Invalid(problems)) if !problems.at("f").is_empty()));
        let cut = body.get(..90).unwrap();
        let refused = sent("multipart/form-data; boundary=B", cut.as_bytes()).await;
        assert!(told(refused).starts_with("400 "));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            for content_type in ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=B"] {
                let outcome = runtime.block_on(sent(content_type, &body));
                prop_assert!(matches!(outcome, Ok(_) | Err(Error::BadRequest(_) | Error::Invalid(_))));
            }
        }

        #[test]
        fn json_is_refused_exactly_when_serde_refuses_it_or_it_names_a_key_twice(text in "[\\[\\]{}:,\"ab0-9. \\\\-]{0,24}") {
            let known: Result<serde_json::Value, _> = serde_json::from_str(&text);
            let read = json(text.as_bytes());
            if known.is_err() {
                prop_assert!(read.is_err());
            } else if let Err(error) = read {
                prop_assert!(error.words().contains("comes twice"));
            }
        }
    }
}
