//! Forms: their values as typed, so that a form that fails shows them again.

use crate::error::{Error, Problems, Result};
use crate::web::csrf::FORM_LIMIT_BYTES;
use askama::filters::Safe;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use std::fmt;

/// The fields of an ordinary form (url-encoded or multipart without files), in the order sent.
///
/// Text is taken as UTF-8; NUL characters, which PostgreSQL cannot store, are refused.
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

    /// The value as typed; empty when it was not sent. The last wins when a name comes twice.
    pub fn get(&self, name: &str) -> &str {
        self.fields
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
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
        let mime = content_type
            .split(';')
            .next()
            .unwrap_or("")
            .trim()
            .to_ascii_lowercase();
        let fields = match mime.as_str() {
            "multipart/form-data" => multipart_fields(&content_type, bytes).await?,
            "application/x-www-form-urlencoded" | "" => urlencoded_fields(&bytes),
            _ => return Err(Error::UnsupportedType("A form is expected here.".into())),
        };
        if fields.iter().any(|(_, value)| value.contains('\0')) {
            return Err(Error::BadRequest(
                "The form holds a NUL character, which no text may have.".into(),
            ));
        }
        Ok(Self { fields })
    }
}

fn urlencoded_fields(bytes: &Bytes) -> Vec<(String, String)> {
    url::form_urlencoded::parse(bytes).into_owned().collect()
}

async fn multipart_fields(content_type: &str, bytes: Bytes) -> Result<Vec<(String, String)>> {
    let unreadable = |_| {
        Error::BadRequest(
            "The form cannot be read. Please reload the page and send it again.".into(),
        )
    };
    let boundary = multer::parse_boundary(content_type).map_err(unreadable)?;
    let stream = futures::stream::once(async move { Ok::<_, std::convert::Infallible>(bytes) });
    let mut form = multer::Multipart::new(stream, boundary);
    let mut fields = Vec::new();
    while let Some(field) = form.next_field().await.map_err(unreadable)? {
        let name = field.name().unwrap_or("").to_owned();
        let value = field.bytes().await.map_err(unreadable)?;
        fields.push((name, String::from_utf8_lossy(&value).into_owned()));
    }
    Ok(fields)
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
