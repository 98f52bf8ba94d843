//! A request that is sent twice and meant once: its sender names it by `Idempotency-Key`
//! (draft-ietf-httpapi-idempotency-key-header-07), and hears the first answer again, for a day.
//!
//! The answer is written down in the transaction that makes the thing, so that either both are there or neither. Of two
//! that arrive at once the second finds the row of the first, undoes what it has made, and answers as the first did.
//! Refusals are not kept: who mends her request may call it the same.

use super::body::{self, Value};
use super::call::Answer;
use crate::app::App;
use crate::db::Write;
use crate::entities::kept_answer;
use crate::error::{Error, Result};
use axum::http::{HeaderMap, HeaderName};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use hmac::{Hmac, KeyInit as _, Mac};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use sha2::Sha256;

/// The header by which a request is named.
pub(super) const HEADER: &str = "idempotency-key";
/// Characters of a name.
const LONGEST: usize = 255;
/// How long an answer is kept.
const KEPT: TimeDelta = TimeDelta::days(1);

const MALFORMED: &str = "An Idempotency-Key is 1 to 255 visible characters, for example a UUID, with or without quotes.";

/// A request by the name that its sender gave it.
pub(super) struct Once {
    user_id: i64,
    path: String,
    key: String,
    fingerprint: String,
}

impl Once {
    /// What names this request; none when its sender does not say.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for what is no name.
    pub(super) fn of(
        app: &App,
        headers: &HeaderMap,
        (user_id, path): (i64, &str),
        sent: &Value,
    ) -> Result<Option<Self>> {
        let header = body::one(headers, &HeaderName::from_static(HEADER))?;
        let Some(text) = header else {
            return Ok(None);
        };
        let key = key_of(text).ok_or_else(|| Error::BadRequest(MALFORMED.into()))?;
        // HMAC takes keys of any length. Without ours nobody could try what a body held.
        let mut print = Hmac::<Sha256>::new_from_slice(app.config.secret.0.as_bytes())
            .map_err(Error::internal)?;
        print.update(b"idempotency:");
        digest(sent, &mut print);
        Ok(Some(Self {
            user_id,
            path: path.to_owned(),
            key: key.to_owned(),
            fingerprint: URL_SAFE_NO_PAD.encode(print.finalize().into_bytes()),
        }))
    }

    /// The answer that was given to this request already.
    ///
    /// # Errors
    /// [`Error::OtherRequest`] when another request was called the same.
    pub(super) async fn answered(&self, app: &App) -> Result<Option<Kept>> {
        let id = (self.user_id, self.path.clone(), self.key.clone());
        let found = kept_answer::Entity::find_by_id(id)
            .filter(kept_answer::Column::CreatedAt.gt(app.clock.now() - KEPT))
            .one(app.db.read())
            .await?;
        match found {
            Some(row) if row.fingerprint != self.fingerprint => Err(Error::OtherRequest),
            found => Ok(found.map(Kept)),
        }
    }

    /// Writes the answer down with what was made. `false`: the same request was quicker, and nothing may be committed.
    pub(super) async fn keep(
        &self,
        app: &App,
        write: &Write,
        (location, version): (&str, String),
        body: &[u8],
    ) -> Result<bool> {
        use kept_answer::Column;
        let now = app.clock.now();
        kept_answer::Entity::delete_many()
            .filter(Column::UserId.eq(self.user_id))
            .filter(Column::Path.eq(self.path.as_str()))
            .filter(Column::Key.eq(self.key.as_str()))
            .filter(Column::CreatedAt.lte(now - KEPT))
            .exec(&**write)
            .await?;
        let row = kept_answer::ActiveModel {
            user_id: Set(self.user_id),
            path: Set(self.path.clone()),
            key: Set(self.key.clone()),
            fingerprint: Set(self.fingerprint.clone()),
            location: Set(location.to_owned()),
            version: Set(version),
            body: Set(String::from_utf8(body.to_vec()).map_err(Error::internal)?),
            created_at: Set(now),
        };
        let first = OnConflict::columns([Column::UserId, Column::Path, Column::Key])
            .do_nothing()
            .to_owned();
        let kept = kept_answer::Entity::insert(row)
            .on_conflict(first)
            .exec_without_returning(&**write)
            .await?;
        Ok(kept > 0)
    }
}

/// An answer that was given before.
pub(super) struct Kept(kept_answer::Model);

impl Kept {
    /// The same answer again, for who sees the site at this address.
    pub(super) fn again(self, site: &str) -> Answer {
        Answer::sealed(self.0.body.into(), self.0.version).made_at(site, &self.0.location)
    }
}

/// The name in a header: a string of RFC 9651 (section 3.3.3) without escapes, or the same without its quotes, as many
/// programs send it.
fn key_of(text: &str) -> Option<&str> {
    let text = text.trim();
    let inside = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let is_plain = |byte: u8| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
    let key = inside.unwrap_or(text);
    let is_key = !key.is_empty() && key.len() <= LONGEST && key.bytes().all(is_plain);
    is_key.then_some(key)
}

/// What was sent, whatever the order of its keys; each value begins by its kind and how long it is.
fn digest(value: &Value, to: &mut impl Mac) {
    let mut put = |kind: u8, bytes: &[u8]| {
        to.update(&[kind]);
        to.update(&bytes.len().to_le_bytes());
        to.update(bytes);
    };
    match value {
        Value::Null => put(b'0', b""),
        Value::Boolean(is_so) => put(b'b', &[u8::from(*is_so)]),
        Value::Integer(number) => put(b'i', &number.to_le_bytes()),
        Value::Number(number) => put(b'n', &number.to_bits().to_le_bytes()),
        Value::Text(text) => put(b't', text.as_bytes()),
        Value::Typed(values) => {
            put(b'f', &values.len().to_le_bytes());
            for text in values {
                put(b't', text.as_bytes());
            }
        }
        Value::List(values) => {
            put(b'l', &values.len().to_le_bytes());
            for value in values {
                digest(value, to);
            }
        }
        Value::Object(fields) => {
            put(b'o', &fields.len().to_le_bytes());
            let mut fields: Vec<&(String, Value)> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| name.as_str());
            for (name, value) in fields {
                digest(&Value::Text(name.clone()), to);
                digest(value, to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_in_quotes_or_without() {
        let uuid = "8e03978e-40d5-43dd-bc93-6894a57f9324";
        assert_eq!(key_of(uuid), Some(uuid));
        assert_eq!(key_of(&format!("\"{uuid}\"")), Some(uuid));
        for bad in [
            "",
            "\"\"",
            "\"",
            "a b",
            "\"a",
            "a\"b",
            "\\",
            "é",
            &"x".repeat(256),
        ] {
            assert_eq!(key_of(bad), None, "{bad}");
        }
    }

    fn print(json: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"k").unwrap();
        digest(&body::json(json.as_bytes()).unwrap(), &mut mac);
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    #[test]
    fn the_same_fields_in_another_order_are_the_same_request_and_nothing_else_is() {
        assert_eq!(
            print(r#"{"a": 1, "b": [2]}"#),
            print(r#"{"b": [2], "a": 1}"#)
        );
        let others = [
            r#"{"a": 1, "b": [2]}"#,
            r#"{"a": 1, "b": ["2"]}"#,
            r#"{"a": 1, "b": 2}"#,
            r#"{"a": 1, "b": [2, 0]}"#,
            r#"{"ab": 1}"#,
            r#"{"a": "b1"}"#,
            "[]",
            "{}",
            "null",
        ];
        let prints: std::collections::BTreeSet<String> =
            others.iter().map(|json| print(json)).collect();
        assert_eq!(prints.len(), others.len());
    }
}
