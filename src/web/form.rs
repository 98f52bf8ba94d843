//! Forms: their values as typed, so that a form that fails shows them again.

use crate::error::{Error, Problems, Result};
use crate::web::csrf::FORM_LIMIT_BYTES;
use askama::filters::Safe;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use percent_encoding::percent_decode;
use std::fmt;

/// The fields of an ordinary form (url-encoded or multipart without files), in the order sent.
///
/// Text is UTF-8; anything else and NUL characters, which PostgreSQL cannot store, are refused.
#[derive(Clone, Default)]
pub struct Form {
    fields: Vec<(String, String)>,
}

/// Names only: values may be passwords.
impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.fields.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

impl Form {
    /// From name and value.
    pub fn from_pairs(fields: Vec<(String, String)>) -> Self {
        Self { fields }
    }

    /// Names and values, in the order sent.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.fields.iter();
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value as typed; empty when it was not sent. The last wins when a name comes twice.
    pub fn get(&self, name: &str) -> &str {
        self.fields
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }

    /// All values of a name that may come several times, in the order sent.
    pub fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        let fields = self.fields.iter().filter(move |(key, _)| key == name);
        fields.map(|(_, value)| value.as_str())
    }

    /// The value without surrounding spaces.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).trim()
    }

    /// Whether the field was sent at all.
    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(key, _)| key == name)
    }

    /// Whether a check box is set.
    pub fn is_set(&self, name: &str) -> bool {
        !matches!(self.get(name), "" | "off" | "false" | "0")
    }

    /// The value as a number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name).parse().ok()
    }

    /// Lines as browsers send them end in CR LF; we keep LF.
    pub fn long_text(&self, name: &str) -> String {
        self.get(name).replace("\r\n", "\n").trim_end().to_owned()
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let content_type = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("")
            .to_owned();
        let bytes = axum::body::to_bytes(request.into_body(), FORM_LIMIT_BYTES)
            .await
            .map_err(|_| {
                Error::TooLarge("This form takes up to 1 MB. Please shorten what you typed.".into())
            })?;
        Self::read(&content_type, bytes).await
    }
}

impl Form {
    /// A small form with one file in the field `file_field`; `None` when no file was chosen. Other files are
    /// left out.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for what is no form.
    pub async fn read_with_file(
        content_type: &str,
        bytes: Bytes,
        file_field: &str,
    ) -> Result<(Self, Option<Bytes>)> {
        let Ok(boundary) = multer::parse_boundary(content_type) else {
            return Ok((Self::read(content_type, bytes).await?, None));
        };
        let stream = futures::stream::once(async move { Ok::<_, std::convert::Infallible>(bytes) });
        let mut parts = multer::Multipart::new(stream, boundary);
        let (mut fields, mut file) = (Vec::new(), None);
        while let Some(part) = parts.next_field().await.map_err(unreadable)? {
            let name = part.name().unwrap_or("").to_owned();
            // A browser sends an empty name where no file was chosen.
            let is_chosen = part.file_name().map(|name| !name.is_empty());
            let value = part.bytes().await.map_err(unreadable)?;
            match is_chosen {
                Some(true) if name == file_field => file = Some(value),
                Some(_) => {}
                None => fields.push((name, text_of(value)?)),
            }
        }
        Ok((Self { fields }, file))
    }

    async fn read(content_type: &str, bytes: Bytes) -> Result<Self> {
        let mime = content_type.split(';').next().unwrap_or("").trim();
        let fields = match mime.to_ascii_lowercase().as_str() {
            "multipart/form-data" => multipart_fields(content_type, bytes).await?,
            "application/x-www-form-urlencoded" | "" => urlencoded_fields(&bytes)?,
            _ => return Err(Error::UnsupportedType("A form is expected here.".into())),
        };
        let has_nul = |text: &str| text.contains('\0');
        if fields
            .iter()
            .any(|(name, value)| has_nul(name) || has_nul(value))
        {
            return Err(holds_nul());
        }
        Ok(Self { fields })
    }
}

fn not_text() -> Error {
    Error::BadRequest("The form holds bytes that are no text (UTF-8 is expected).".into())
}

/// WHATWG URL, section 5.1, except that bytes that are no UTF-8 are refused instead of replaced.
///
/// # Errors
/// [`Error::BadRequest`].
pub fn urlencoded_fields(bytes: &[u8]) -> Result<Vec<(String, String)>> {
    let decode = |part: &[u8]| {
        let spaced: Vec<u8> = part
            .iter()
            .map(|byte| if *byte == b'+' { b' ' } else { *byte })
            .collect();
        String::from_utf8(percent_decode(&spaced).collect()).map_err(|_| not_text())
    };
    let pairs = bytes.split(|byte| *byte == b'&');
    pairs
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let mut next = || decode(parts.next().unwrap_or_default());
            Ok((next()?, next()?))
        })
        .collect()
}

async fn multipart_fields(content_type: &str, bytes: Bytes) -> Result<Vec<(String, String)>> {
    let boundary = multer::parse_boundary(content_type).map_err(unreadable)?;
    let stream = futures::stream::once(async move { Ok::<_, std::convert::Infallible>(bytes) });
    let mut form = multer::Multipart::new(stream, boundary);
    let mut fields = Vec::new();
    while let Some(field) = form.next_field().await.map_err(unreadable)? {
        let name = field.name().unwrap_or("").to_owned();
        let value = field.bytes().await.map_err(unreadable)?;
        fields.push((name, text_of(value)?));
    }
    Ok(fields)
}

fn unreadable(_: multer::Error) -> Error {
    Error::BadRequest("The form cannot be read. Please reload the page and send it again.".into())
}

fn text_of(value: Bytes) -> Result<String> {
    let text = String::from_utf8(value.into()).map_err(|_| not_text())?;
    if text.contains('\0') {
        return Err(holds_nul());
    }
    Ok(text)
}

fn holds_nul() -> Error {
    Error::BadRequest("The form holds a NUL character, which no text may have.".into())
}

/// One field of a form as a template shows it: its value as typed and what is wrong with it.
#[derive(Debug, Clone, Default)]
pub struct Field {
    /// Name in the form, and its element's id. One of ours, never a visitor's.
    pub name: String,
    /// As typed, or as stored.
    pub value: String,
    /// What is wrong, in sentences that say how to mend it.
    pub faults: Vec<String>,
}

impl Field {
    /// A field with its value and what `problems` hold against it.
    pub fn new(name: impl Into<String>, value: impl Into<String>, problems: &Problems) -> Self {
        let name = name.into();
        let faults = problems.at(&name).to_vec();
        Self {
            name,
            value: value.into(),
            faults,
        }
    }

    /// What is wrong, as one text.
    pub fn fault_words(&self) -> String {
        self.faults.join(" ")
    }

    /// The attributes that tie the control to its hint and its faults. `hint` may be empty.
    pub fn aria(&self, hint: &str) -> Safe<String> {
        let name = &self.name;
        let mut ids = Vec::new();
        if !self.faults.is_empty() {
            ids.push(format!("{name}-fault"));
        }
        if !hint.is_empty() {
            ids.push(format!("{name}-hint"));
        }
        let invalid = if self.faults.is_empty() {
            ""
        } else {
            " aria-invalid=\"true\""
        };
        if ids.is_empty() {
            return Safe(invalid.to_owned());
        }
        Safe(format!(" aria-describedby=\"{}\"{invalid}", ids.join(" ")))
    }
}

/// A line of the summary above a form that failed: the field to go to, and what is wrong there.
#[derive(Debug, Clone)]
pub struct FaultLine {
    /// Id of the element to go to; empty when it concerns the form as a whole.
    pub target: String,
    /// What is wrong.
    pub words: String,
}

/// The summary above a form that failed.
pub fn fault_lines(problems: &Problems) -> Vec<FaultLine> {
    fault_lines_in(problems, &[])
}

/// The same in the order of the form's fields; what `order` does not name comes first.
pub fn fault_lines_in(problems: &Problems, order: &[&str]) -> Vec<FaultLine> {
    let mut lines = Vec::new();
    let mut fields: Vec<_> = problems.iter().collect();
    fields.sort_by_key(|(field, _)| order.iter().position(|name| name == field));
    for (field, messages) in fields {
        let target = field.to_owned();
        lines.extend(messages.iter().map(|words| FaultLine {
            target: target.clone(),
            words: words.clone(),
        }));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MULTIPART: &str = "multipart/form-data; boundary=XX";

    async fn read(content_type: &str, body: impl Into<Vec<u8>>) -> Result<Form> {
        Form::read(content_type, Bytes::from(body.into())).await
    }

    async fn encoded(body: &str) -> Form {
        read("application/x-www-form-urlencoded", body)
            .await
            .unwrap()
    }

    fn parts(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, value) in parts {
            body.extend(
                format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").bytes(),
            );
            body.extend(*value);
            body.extend(b"\r\n");
        }
        body.extend(b"--XX--\r\n");
        body
    }

    #[tokio::test]
    async fn both_encodings_of_a_form_are_read_alike() {
        let one = encoded("title=A+%26+B%2B&body=a%0D%0Ab&empty=&bare&=x&&").await;
        let sent: [(&str, &[u8]); 5] = [
            ("title", b"A & B+"),
            ("body", b"a\r\nb"),
            ("empty", b""),
            ("bare", b""),
            ("", b"x"),
        ];
        let two = read(MULTIPART, parts(&sent)).await.unwrap();
        assert_eq!(one.fields, two.fields);
        assert_eq!(one.get("title"), "A & B+");
        assert_eq!(one.long_text("body"), "a\nb");
        assert!(one.has("bare") && !one.has("absent"));
    }

    #[tokio::test]
    async fn the_last_value_wins_when_a_name_comes_twice() {
        let form = encoded("a=1&b=3&a=2").await;
        assert_eq!(form.get("a"), "2");
        assert_eq!(form.all("a").collect::<Vec<_>>(), ["1", "2"]);
        let twice = read(MULTIPART, parts(&[("a", b"1"), ("a", b"2")])).await;
        assert_eq!(twice.unwrap().get("a"), "2");
    }

    #[tokio::test]
    async fn what_is_no_text_is_refused() {
        for body in ["a=%00", "%00=a", "a=%ff", "a=%c3", "%ed%a0%80=1"] {
            let refused = read("application/x-www-form-urlencoded", body).await;
            assert!(matches!(refused, Err(Error::BadRequest(_))), "{body}");
        }
        for value in [&b"\0"[..], b"\xff", b"\xc3\x28"] {
            let refused = read(MULTIPART, parts(&[("a", value)])).await;
            assert!(matches!(refused, Err(Error::BadRequest(_))), "{value:?}");
        }
    }

    #[tokio::test]
    async fn a_multipart_form_that_is_cut_off_or_has_no_boundary_is_refused() {
        let whole = parts(&[("a", b"1")]);
        let half = whole.get(..whole.len() - 12).unwrap().to_vec();
        let cut = read(MULTIPART, half).await;
        assert!(matches!(cut, Err(Error::BadRequest(_))), "{cut:?}");
        let bare = read("multipart/form-data", whole).await;
        assert!(matches!(bare, Err(Error::BadRequest(_))), "{bare:?}");
        let other = read("text/xml", "<a/>").await;
        assert!(matches!(other, Err(Error::UnsupportedType(_))), "{other:?}");
    }

    proptest! {
        #[test]
        fn any_text_comes_through_as_it_was_typed(name in "[^\0]{1,8}", value in "[^\0]{0,40}") {
            let body = url::form_urlencoded::Serializer::new(String::new())
                .append_pair(&name, &value)
                .finish();
            prop_assert_eq!(urlencoded_fields(body.as_bytes()).unwrap(), vec![(name, value)]);
        }

        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            for content_type in ["", MULTIPART] {
                let outcome = runtime.block_on(read(content_type, body.clone()));
                prop_assert!(matches!(outcome, Ok(_) | Err(Error::BadRequest(_))));
            }
        }
    }
}
