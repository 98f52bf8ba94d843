//! What is told over a room's socket: JSON objects, one a frame. What clients ask stands in `asked`.

use crate::entities::chat_line;
use crate::web::identity::initials;
use axum::extract::ws::Utf8Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// Longest part of a line that stands above its answers, in characters.
const QUOTE_LIMIT: usize = 140;

/// Who speaks, as others see her.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speaker {
    /// Number of the account; nobody's when it is gone.
    #[serde(rename = "user_id")]
    pub id: Option<i64>,
    /// What she logs in with.
    #[serde(rename = "user")]
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

/// What stands in the place of the words of a line that has none, where its pictures are not shown.
pub const WITHOUT_WORDS: &str = "(a picture)";

/// The words of a line, or what stands in their place.
pub fn words_of(text: &str) -> &str {
    if text.is_empty() { WITHOUT_WORDS } else { text }
}

/// A picture in a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Picture {
    /// Number of its upload.
    pub upload: i64,
    /// Pixels of the largest size.
    pub width: i32,
    /// Pixels of the largest size.
    pub height: i32,
    /// Where the largest size is, a path of this site.
    pub url: String,
    /// Where the smallest size is.
    pub small_url: String,
    /// What it shows, in words; may be empty.
    pub alt: String,
}

/// A line that is answered, as it stands above the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quote {
    /// Its number.
    pub id: i64,
    /// The name of who said it.
    pub name: String,
    /// How it begins; nothing when it was deleted.
    pub message: Option<String>,
}

impl Quote {
    /// Of a line as it is now.
    pub fn of(line: &chat_line::Model, speaker: &Speaker) -> Self {
        let message = words_of(&line.text).chars().take(QUOTE_LIMIT).collect();
        Self {
            id: line.id,
            name: speaker.name.clone(),
            message: line.deleted_at.is_none().then_some(message),
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
        reply_to: Option<&'a Quote>,
        mentions: Vec<&'a str>,
        pictures: &'a [Picture],
        #[serde(skip_serializing_if = "Option::is_none")]
        client_id: Option<&'a str>,
    },
    /// A line reads otherwise now.
    #[serde(rename = "chat_edit")]
    Changed {
        id: i64,
        message: &'a str,
        mentions: Vec<&'a str>,
    },
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
    /// The room as she finds it: all of it after [`Answer::Ready`], and what changed of it later.
    Room {
        is_locked: bool,
        slow_seconds: i64,
        muted_until: Option<String>,
        #[serde(flatten)]
        reading: Option<Reading>,
    },
    /// Who is here: up to 100 people, and how many there are.
    Here {
        count: usize,
        people: Vec<&'a Speaker>,
    },
    /// Who came and who went since that.
    Presence {
        count: usize,
        came: Vec<&'a Speaker>,
        went: &'a [i64],
    },
    /// Somebody is writing.
    Typing { user_id: i64, name: &'a str },
    /// She has read up to here, elsewhere.
    Read { id: i64 },
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

/// What of a room she has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// Number of the last line that she has read.
    pub read: i64,
    /// How many lines came after that; up to 1,000 are counted.
    pub unread: u64,
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
    /// The text for clients that know no types, where theirs is another one: they show no pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain: Option<Utf8>,
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
    pub fn of_line(
        line: &chat_line::Model,
        speaker: &Speaker,
        quote: Option<&Quote>,
        pictures: &[Picture],
    ) -> Self {
        let event = |message| Event::Said {
            message,
            user: &speaker.username,
            datetime: datetime(line.created_at),
            id: line.id,
            user_id: speaker.id,
            name: &speaker.name,
            initials: &speaker.initials,
            is_teacher: speaker.is_teacher,
            is_edited: line.edited_at.is_some(),
            reply_to: quote,
            mentions: mentions(line),
            pictures,
            client_id: line.client_id.as_deref(),
        };
        let plain = line.text.is_empty().then_some(WITHOUT_WORDS);
        Self {
            plain: plain.map(|words| Utf8(encode(&event(words)))),
            ..Self::new(line.id, true, &event(&line.text))
        }
    }

    /// What a client is sent of it, if anything.
    pub fn text_for(&self, knows_types: bool) -> Option<&Utf8Bytes> {
        if knows_types {
            return Some(&self.text.0);
        }
        let plain = self.plain.as_ref().unwrap_or(&self.text);
        self.is_for_all.then_some(&plain.0)
    }

    /// What happened to a line last.
    pub fn of_change(line: &chat_line::Model) -> Self {
        let event = if line.deleted_at.is_some() {
            Event::Deleted { id: line.id }
        } else {
            Event::Changed {
                id: line.id,
                message: &line.text,
                mentions: mentions(line),
            }
        };
        Self::new(line.changed, false, &event)
    }

    fn new(number: i64, is_for_all: bool, event: &Event<'_>) -> Self {
        Self {
            number,
            is_for_all,
            text: Utf8(encode(event)),
            plain: None,
        }
    }
}

/// User names of those whom a line mentions.
pub fn mentions(line: &chat_line::Model) -> Vec<&str> {
    let names = line.mentions.as_deref().unwrap_or_default();
    names.split(' ').filter(|name| !name.is_empty()).collect()
}

/// With the offset from UTC that older clients expect: `2026-03-02T13:48:09.123456+00:00`.
pub fn datetime(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, false)
}

/// Our own types have no keys that JSON cannot hold.
fn encode(value: &impl Serialize) -> Utf8Bytes {
    serde_json::to_string(value).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_encoded_once_and_shared_by_all_who_are_told() {
        let deleted = Event::Deleted { id: 7 };
        let frame = Frame::new(9, true, &deleted);
        let readers: Vec<Frame> = (0..3).map(|_| frame.clone()).collect();
        for reader in &readers {
            for knows_types in [true, false] {
                let text = reader.text_for(knows_types).map(Utf8Bytes::as_str);
                assert_eq!(text, Some(r#"{"type":"chat_delete","id":7}"#));
                assert_eq!(
                    text.map(str::as_ptr),
                    Some(frame.text.0.as_str().as_ptr()),
                    "not a copy"
                );
            }
        }
    }
}
