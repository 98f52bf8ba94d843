//! What a client asks for over a room's socket: JSON objects, one a frame.

use super::CLIENT_ID_LIMIT;
use super::pictures::{MOST_PICTURES, NamedPicture, clean_alt};
use serde_json::{Map, Value};

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Say this.
    Say {
        text: String,
        client_id: Option<String>,
        /// The line that this answers.
        reply_to: Option<i64>,
        /// Up to [`MOST_PICTURES`], in their order. There are some where `text` is empty.
        pictures: Vec<NamedPicture>,
    },
    /// Let this line read otherwise. Empty: its pictures stay, if it has any.
    Edit { id: i64, text: String },
    /// Take this line back.
    Delete { id: i64 },
    /// She is writing.
    Typing,
    /// She has read up to this line.
    Read { id: i64 },
    /// Keep somebody from writing for so many minutes; 0 lifts it.
    Mute { user_id: i64, minutes: i64 },
    /// Close the room for all but moderators, or open it again.
    Lock { is_locked: bool },
    /// Let everybody wait so many seconds between two lines.
    Slow { seconds: i64 },
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

/// Told of `pictures` that are something else.
const NO_PICTURES: &str =
    "pictures is a list of the numbers of uploads, or of objects with upload and alt.";

/// The keys of a frame.
struct Keys {
    object: Map<String, Value>,
    client_id: Option<String>,
}

impl Keys {
    fn refused(&self, code: &'static str, words: &'static str) -> Refused {
        Refused {
            code,
            words,
            client_id: self.client_id.clone(),
        }
    }

    fn number(&self, key: &str, words: &'static str) -> Result<i64, Refused> {
        let number = self.object.get(key).and_then(Value::as_i64);
        number.ok_or_else(|| self.refused("not_understood", words))
    }

    fn line(&self) -> Result<i64, Refused> {
        self.number("id", "id is the number of a line.")
    }

    fn text(&self) -> Result<String, Refused> {
        let text = self.text_or_nothing()?;
        if text.is_empty() {
            return Err(self.refused("invalid", super::EMPTY));
        }
        Ok(text)
    }

    fn text_or_nothing(&self) -> Result<String, Refused> {
        match self.object.get("message") {
            Some(Value::String(text)) => {
                super::clean(text).map_err(|words| self.refused("invalid", words))
            }
            _ => Err(self.refused("invalid", "message is missing, or is not a text.")),
        }
    }

    fn say(self) -> Result<Asked, Refused> {
        let pictures = self.pictures()?;
        let is_wordless = matches!(self.object.get("message"), None | Some(Value::Null));
        let text = match pictures.is_empty() {
            true => self.text()?,
            false if is_wordless => String::new(),
            false => self.text_or_nothing()?,
        };
        Ok(Asked::Say {
            text,
            reply_to: self.reply_to()?,
            pictures,
            client_id: self.client_id,
        })
    }

    /// Numbers of uploads, or objects with `upload` and `alt`.
    fn pictures(&self) -> Result<Vec<NamedPicture>, Refused> {
        let named = match self.object.get("pictures") {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(named)) => named,
            Some(_) => return Err(self.refused("invalid", NO_PICTURES)),
        };
        if named.len() > MOST_PICTURES {
            return Err(self.refused("invalid", "A line carries up to 4 pictures."));
        }
        let mut pictures: Vec<NamedPicture> = Vec::with_capacity(named.len());
        for value in named {
            let picture = self.picture(value)?;
            if pictures
                .iter()
                .any(|other| other.upload_id == picture.upload_id)
            {
                return Err(self.refused("invalid", "A line shows each picture once."));
            }
            pictures.push(picture);
        }
        Ok(pictures)
    }

    fn picture(&self, value: &Value) -> Result<NamedPicture, Refused> {
        let upload = value.get("upload").unwrap_or(value);
        let alt = match value.get("alt") {
            None | Some(Value::Null) => "",
            Some(Value::String(alt)) => alt,
            Some(_) => return Err(self.refused("invalid", "alt is a text.")),
        };
        let upload_id = upload.as_i64();
        Ok(NamedPicture {
            upload_id: upload_id.ok_or_else(|| self.refused("invalid", NO_PICTURES))?,
            alt: clean_alt(alt).map_err(|words| self.refused("invalid", words))?,
        })
    }

    fn reply_to(&self) -> Result<Option<i64>, Refused> {
        match self.object.get("reply_to") {
            None | Some(Value::Null) => Ok(None),
            Some(_) => self
                .number("reply_to", "reply_to is the number of a line.")
                .map(Some),
        }
    }
}

impl Asked {
    /// Reads a frame.
    pub fn read(bytes: &[u8]) -> Result<Self, Refused> {
        let keys = keys(bytes)?;
        match keys.object.get("type").map(Value::as_str) {
            None | Some(Some("message" | "chat_message")) => keys.say(),
            Some(Some("edit")) => Ok(Self::Edit {
                id: keys.line()?,
                text: keys.text_or_nothing()?,
            }),
            Some(Some("delete")) => Ok(Self::Delete { id: keys.line()? }),
            Some(Some("typing")) => Ok(Self::Typing),
            Some(Some("read")) => Ok(Self::Read { id: keys.line()? }),
            Some(Some("mute")) => Ok(Self::Mute {
                user_id: keys.number("user_id", "user_id is the number of an account.")?,
                minutes: keys.number("minutes", "minutes is a whole number.")?,
            }),
            Some(Some("lock")) => match keys.object.get("is_locked").and_then(Value::as_bool) {
                Some(is_locked) => Ok(Self::Lock { is_locked }),
                None => Err(keys.refused("not_understood", "is_locked is true or false.")),
            },
            Some(Some("slow")) => Ok(Self::Slow {
                seconds: keys.number("seconds", "seconds is a whole number.")?,
            }),
            Some(_) => Err(keys.refused(
                "not_understood",
                "There is no such type of frame. There are message, edit, delete, typing, read, mute, lock and slow.",
            )),
        }
    }
}

fn keys(bytes: &[u8]) -> Result<Keys, Refused> {
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
    Ok(Keys { object, client_id })
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
            reply_to: None,
            pictures: Vec::new(),
        };
        assert_eq!(Asked::read(frame), Ok(asked));
        let older = Asked::Say {
            text: "a".into(),
            client_id: None,
            reply_to: None,
            pictures: Vec::new(),
        };
        assert_eq!(Asked::read(br#"{"message": "a"}"#), Ok(older));
    }

    #[test]
    fn a_line_may_carry_pictures_and_then_needs_no_words() {
        let picture = |upload_id, alt: &str| NamedPicture {
            upload_id,
            alt: alt.to_owned(),
        };
        for (frame, words, pictures) in [
            (
                r#"{"message": " ", "pictures": [7]}"#,
                "",
                vec![picture(7, "")],
            ),
            (r#"{"pictures": [7]}"#, "", vec![picture(7, "")]),
            (
                r#"{"message": "so", "pictures": [9, {"upload": 7, "alt": " A bow\u0000 "}]}"#,
                "so",
                vec![picture(9, ""), picture(7, "A bow")],
            ),
            (r#"{"message": "so", "pictures": []}"#, "so", Vec::new()),
            (r#"{"message": "so", "pictures": null}"#, "so", Vec::new()),
        ] {
            let asked = Asked::Say {
                text: words.into(),
                client_id: None,
                reply_to: None,
                pictures,
            };
            assert_eq!(Asked::read(frame.as_bytes()), Ok(asked), "{frame}");
        }
        for frame in [
            r#"{"message": " ", "pictures": []}"#,
            r#"{"pictures": []}"#,
            r#"{"message": 7, "pictures": [1]}"#,
            r#"{"message": "a", "pictures": 7}"#,
            r#"{"message": "a", "pictures": {"upload": 7}}"#,
            r#"{"message": "a", "pictures": ["7"]}"#,
            r#"{"message": "a", "pictures": [1.5]}"#,
            r#"{"message": "a", "pictures": [[1]]}"#,
            r#"{"message": "a", "pictures": [{"alt": "a"}]}"#,
            r#"{"message": "a", "pictures": [{"upload": 7, "alt": 7}]}"#,
            r#"{"message": "a", "pictures": [7, {"upload": 7}]}"#,
            r#"{"message": "a", "pictures": [1, 2, 3, 4, 5]}"#,
        ] {
            let refused = Asked::read(frame.as_bytes()).unwrap_err();
            assert_eq!(refused.code, "invalid", "{frame}");
        }
    }

    #[test]
    fn every_other_thing_that_can_be_asked_has_its_keys() {
        for (frame, asked) in [
            (r#"{"type": "typing"}"#, Asked::Typing),
            (r#"{"type": "read", "id": 41}"#, Asked::Read { id: 41 }),
            (
                r#"{"type": "mute", "user_id": 5, "minutes": 10}"#,
                Asked::Mute {
                    user_id: 5,
                    minutes: 10,
                },
            ),
            (
                r#"{"type": "lock", "is_locked": true}"#,
                Asked::Lock { is_locked: true },
            ),
            (
                r#"{"type": "slow", "seconds": 10}"#,
                Asked::Slow { seconds: 10 },
            ),
        ] {
            assert_eq!(Asked::read(frame.as_bytes()), Ok(asked), "{frame}");
        }
        for frame in [
            r#"{"type": "read"}"#,
            r#"{"type": "read", "id": 1.5}"#,
            r#"{"type": "mute", "user_id": 5}"#,
            r#"{"type": "mute", "user_id": 5, "minutes": 1e99}"#,
            r#"{"type": "lock", "is_locked": "yes"}"#,
            r#"{"type": "slow", "seconds": null}"#,
            r#"{"message": "a", "reply_to": "17"}"#,
        ] {
            let refused = Asked::read(frame.as_bytes()).unwrap_err();
            assert_eq!(refused.code, "not_understood", "{frame}");
        }
    }
}
