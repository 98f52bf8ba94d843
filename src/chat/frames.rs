//! What goes over a room's socket: JSON objects, one a frame.

use super::CLIENT_ID_LIMIT;
use crate::entities::chat_line;
use crate::web::identity::initials;
use axum::extract::ws::Utf8Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who speaks, as others see her.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// Number of the account; nobody's when it is gone.
    pub id: Option<i64>,
    /// What she logs in with.
    pub username: String,
    /// Her name as shown.
    pub name: String,
    /// One or two letters for her picture.
    pub initials: String,
    /// She teaches the course.
    pub is_teacher: bool,
}

impl Speaker {
    /// Somebody with an account.
    pub fn new(id: i64, username: &str, name: &str, is_teacher: bool) -> Self {
        let name = if name.is_empty() { username } else { name };
        Self {
            id: Some(id),
            username: username.to_owned(),
            name: name.to_owned(),
            initials: initials(name),
            is_teacher,
        }
    }
}

/// What everybody in the room is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type")]
pub enum Event<'a> {
    /// A line; the form that older clients know, with more keys.
    #[serde(rename = "chat_message")]
    Said {
        message: &'a str,
        user: &'a str,
        datetime: String,
        id: i64,
        user_id: Option<i64>,
        name: &'a str,
        initials: &'a str,
        is_teacher: bool,
        is_edited: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        client_id: Option<&'a str>,
    },
    /// A line reads otherwise now.
    #[serde(rename = "chat_edit")]
    Changed { id: i64, message: &'a str },
    /// A line is gone.
    #[serde(rename = "chat_delete")]
    Deleted { id: i64 },
}

/// What one client is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Answer<'a> {
    /// Her line is kept, under this number; so is one that came twice.
    Ack { client_id: &'a str, id: i64 },
    /// Everything up to `last` was told, unless `recovered` is false: then the history is to be read.
    Ready { recovered: bool, last: i64 },
    /// She was too slow; as [`Answer::Ready`] for what comes next.
    Lagged { recovered: bool, last: i64 },
    /// The site is about to restart. Come back after this time.
    Restart { retry_ms: u64 },
    /// What she sent was not taken.
    Error {
        code: &'a str,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        client_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_seconds: Option<u64>,
    },
}

impl Answer<'_> {
    /// As the text of a frame.
    pub fn text(&self) -> Utf8Bytes {
        encode(self)
    }

    /// Whether clients that know no types are told, too.
    pub fn is_for_all(&self) -> bool {
        matches!(self, Self::Error { .. })
    }
}

/// Something that happened in a room, encoded once for all who are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Its number in the room.
    pub number: i64,
    /// Whether clients that know no types are told, too.
    pub is_for_all: bool,
    /// The text of the frame.
    pub text: Utf8,
}

/// A text that is shared, not copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Utf8(pub Utf8Bytes);

impl From<String> for Utf8 {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Utf8> for String {
    fn from(text: Utf8) -> Self {
        text.0.as_str().to_owned()
    }
}

impl Frame {
    /// A line as it is now.
    pub fn of_line(line: &chat_line::Model, speaker: &Speaker) -> Self {
        let event = Event::Said {
            message: &line.text,
            user: &speaker.username,
            datetime: datetime(line.created_at),
            id: line.id,
            user_id: speaker.id,
            name: &speaker.name,
            initials: &speaker.initials,
            is_teacher: speaker.is_teacher,
            is_edited: line.edited_at.is_some(),
            client_id: line.client_id.as_deref(),
        };
        Self::new(line.id, true, &event)
    }

    /// What happened to a line last.
    pub fn of_change(line: &chat_line::Model) -> Self {
        let event = if line.deleted_at.is_some() {
            Event::Deleted { id: line.id }
        } else {
            Event::Changed {
                id: line.id,
                message: &line.text,
            }
        };
        Self::new(line.changed, false, &event)
    }

    fn new(number: i64, is_for_all: bool, event: &Event<'_>) -> Self {
        Self {
            number,
            is_for_all,
            text: Utf8(encode(event)),
        }
    }
}

/// With the offset from UTC that older clients expect: `2026-03-02T13:48:09.123456+00:00`.
fn datetime(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, false)
}

/// Our own types have no keys that JSON cannot hold.
fn encode(value: &impl Serialize) -> Utf8Bytes {
    serde_json::to_string(value).unwrap_or_default().into()
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Say this.
    Say {
        text: String,
        client_id: Option<String>,
    },
    /// Let this line read otherwise.
    Edit { id: i64, text: String },
    /// Take this line back.
    Delete { id: i64 },
}

/// A frame that is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// In a word, for programs.
    pub code: &'static str,
    /// In a sentence, for people.
    pub words: &'static str,
    /// What the client called it.
    pub client_id: Option<String>,
}

impl Asked {
    /// Reads a frame.
    pub fn read(bytes: &[u8]) -> Result<Self, Refused> {
        let not_understood = |words| Refused {
            code: "not_understood",
            words,
            client_id: None,
        };
        let Ok(Value::Object(object)) = serde_json::from_slice(bytes) else {
            return Err(not_understood(
                "A frame is a JSON object, for example {\"message\": \"Good morning\"}.",
            ));
        };
        let client_id = match object.get("client_id") {
            None | Some(Value::Null) => None,
            Some(Value::String(id)) if is_client_id(id) => Some(id.clone()),
            Some(_) => {
                return Err(not_understood(
                    "client_id is a text of 1 to 64 characters from the printable ones of ASCII.",
                ));
            }
        };
        let refused = |code, words| Refused {
            code,
            words,
            client_id: client_id.clone(),
        };
        let id = || {
            object
                .get("id")
                .and_then(Value::as_i64)
                .ok_or_else(|| refused("not_understood", "id is the number of a line."))
        };
        let text = || match object.get("message") {
            Some(Value::String(text)) => {
                super::clean(text).map_err(|words| refused("invalid", words))
            }
            _ => Err(refused("invalid", "message is missing, or is not a text.")),
        };
        match object.get("type").map(Value::as_str) {
            None | Some(Some("message" | "chat_message")) => Ok(Self::Say {
                text: text()?,
                client_id: client_id.clone(),
            }),
            Some(Some("edit")) => Ok(Self::Edit {
                id: id()?,
                text: text()?,
            }),
            Some(Some("delete")) => Ok(Self::Delete { id: id()? }),
            Some(_) => Err(refused(
                "not_understood",
                "There is no such type of frame. There are message, edit and delete.",
            )),
        }
    }
}

fn is_client_id(id: &str) -> bool {
    (1..=CLIENT_ID_LIMIT).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_request_is_refused_and_says_why() {
        for (frame, code) in [
            ("", "not_understood"),
            ("[]", "not_understood"),
            ("\"hello\"", "not_understood"),
            ("{", "not_understood"),
            ("{\"message\": 7}", "invalid"),
            ("{\"message\": null}", "invalid"),
            ("{\"text\": \"hello\"}", "invalid"),
            ("{\"message\": \"  \"}", "invalid"),
            (
                "{\"type\": \"dance\", \"message\": \"a\"}",
                "not_understood",
            ),
            ("{\"type\": 7, \"message\": \"a\"}", "not_understood"),
            ("{\"type\": \"edit\", \"message\": \"a\"}", "not_understood"),
            ("{\"type\": \"delete\", \"id\": \"1\"}", "not_understood"),
            (
                "{\"message\": \"a\", \"client_id\": \"\"}",
                "not_understood",
            ),
            ("{\"message\": \"a\", \"client_id\": 7}", "not_understood"),
        ] {
            assert_eq!(
                Asked::read(frame.as_bytes()).unwrap_err().code,
                code,
                "{frame}"
            );
        }
        assert!(Asked::read(&[0xff, 0xfe]).is_err());
        let deep = "[".repeat(10_000);
        assert!(Asked::read(deep.as_bytes()).is_err());
    }

    #[test]
    fn a_line_may_carry_the_name_that_its_sender_gave_it() {
        let frame = br#"{"type": "message", "message": " Good morning ", "client_id": "a-1"}"#;
        let asked = Asked::Say {
            text: "Good morning".into(),
            client_id: Some("a-1".into()),
        };
        assert_eq!(Asked::read(frame), Ok(asked));
        let older = Asked::Say {
            text: "a".into(),
            client_id: None,
        };
        assert_eq!(Asked::read(br#"{"message": "a"}"#), Ok(older));
    }
}
