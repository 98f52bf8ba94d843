//! What stands in Redis: two streams (redis.io/docs/latest/develop/data-types/streams), one of events and one of what need
//! not last, and the name of their epoch.
//!
//! An entry has a head `h`, words with spaces between them, and perhaps a payload `p`, JSON. Strange entries are passed over.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use redis::{Cmd, Value, cmd};

use super::queue::Parcel;
use crate::bus::Event;

/// Events that Redis keeps for those who were away for a moment, about.
const EVENTS_KEPT: usize = 1_000;

/// What need not last, kept until slow readers have it, about.
const REMARKS_KEPT: usize = 4_000;

/// Most entries of one stream in one answer.
pub const AT_ONCE: usize = 200;

/// Where this site's entries are.
#[derive(Clone, Debug)]
pub struct Names {
    /// The stream of events.
    pub events: String,
    /// The stream of what need not last.
    pub remarks: String,
    /// A random word that is there as long as the streams are.
    pub epoch: String,
}

impl Names {
    /// Of the site with this prefix.
    pub fn new(prefix: &str) -> Self {
        Self {
            events: format!("{prefix}:bus:events"),
            remarks: format!("{prefix}:bus:remarks"),
            epoch: format!("{prefix}:bus:epoch"),
        }
    }

    /// Has Redis keep an event.
    pub fn add_parcel(&self, instance: &str, parcel: &Parcel) -> Cmd {
        let Parcel {
            number,
            mark,
            event,
        } = parcel;
        let head = format!("event {instance} {number} {mark} {}", event.group);
        let mut add = add(&self.events, EVENTS_KEPT, &head);
        add.arg("p").arg(event.payload.as_ref());
        add
    }

    /// Has Redis keep an entry that is none, so that there is a last one.
    pub fn begin(&self) -> Cmd {
        add(&self.events, EVENTS_KEPT, "begin")
    }

    /// Has Redis keep what need not last.
    pub fn add_remark(&self, remark: &Remark, last: u64) -> Cmd {
        let (head, payload) = remark.text(last);
        let mut add = add(&self.remarks, REMARKS_KEPT, &head);
        if let Some(payload) = payload {
            add.arg("p").arg(payload.as_ref());
        }
        add
    }

    /// Asks for what comes after these entries; waits for it so many milliseconds.
    pub fn read(&self, events: &str, remarks: &str, wait: Option<usize>) -> Cmd {
        let mut read = cmd("XREAD");
        read.arg("COUNT").arg(AT_ONCE);
        if let Some(wait) = wait {
            read.arg("BLOCK").arg(wait);
        }
        read.arg("STREAMS").arg(&[&self.events, &self.remarks]);
        read.arg(&[events, remarks]);
        read
    }
}

/// An entry with this head, in a stream of which about so many are kept.
fn add(stream: &str, most: usize, head: &str) -> Cmd {
    let mut add = cmd("XADD");
    add.arg(stream)
        .arg(&["MAXLEN", "~"])
        .arg(most)
        .arg(&["*", "h"])
        .arg(head);
    add
}

/// What need not last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// A process is there, and has said everything so far.
    Here {
        /// Which one.
        name: String,
        /// Whether others wait until it has heard what they change.
        serves: bool,
    },
    /// It asks who else is there.
    Who(String),
    /// It ends, having said everything.
    Gone(String),
    /// It has reacted to the events of another that have these marks.
    Heard {
        /// Who has.
        name: String,
        /// Whose events they are.
        whose: String,
        /// Their marks.
        marks: Vec<i64>,
    },
    /// It wants to hear itself.
    Ping(String),
    /// It tells a group something.
    Told {
        /// Who tells.
        name: String,
        /// What, and to whom.
        event: Arc<Event>,
    },
}

impl Remark {
    fn text(&self, last: u64) -> (String, Option<Bytes>) {
        let head = match self {
            Self::Here { name, serves } => {
                format!(
                    "here {name} {last} {}",
                    if *serves { "serves" } else { "works" }
                )
            }
            Self::Who(name) => format!("who {name}"),
            Self::Gone(name) => format!("gone {name} {last}"),
            Self::Heard { name, whose, marks } => {
                let marks: Vec<String> = marks.iter().map(i64::to_string).collect();
                format!("heard {name} {whose} {}", marks.join(" "))
            }
            Self::Ping(nonce) => format!("ping {nonce}"),
            Self::Told { name, event } => {
                let head = format!("told {name} {}", event.group);
                return (head, Some(event.payload.clone()));
            }
        };
        (head, None)
    }
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// An event, with its number and mark among those of its writer.
    Event {
        /// Its writer.
        name: &'a str,
        /// Its number there.
        number: u64,
        /// What it is called by those who have heard it.
        mark: i64,
        /// To whom it is told.
        group: &'a str,
    },
    /// A process is there, and has said everything up to this number; whether it serves.
    Here(&'a str, u64, bool),
    /// A process asks who is there.
    Who(&'a str),
    /// A process has ended, having said everything up to this number.
    Gone(&'a str, u64),
    /// The first has reacted to these of the second.
    Heard(&'a str, &'a str, Vec<i64>),
    /// Somebody wants to hear himself.
    Ping(&'a str),
    /// A process tells a group something that need not last.
    Told(&'a str, &'a str),
}

impl<'a> Said<'a> {
    /// Understands the head of an entry.
    pub fn parse(head: &'a str) -> Option<Self> {
        let words: Vec<&str> = head.split(' ').collect();
        match *words.as_slice() {
            ["event", name, number, mark, group] => Some(Self::Event {
                name,
                number: number.parse().ok()?,
                mark: mark.parse().ok()?,
                group,
            }),
            ["here", name, last, how] => {
                Some(Self::Here(name, last.parse().ok()?, how == "serves"))
            }
            ["who", name] => Some(Self::Who(name)),
            ["gone", name, last] => Some(Self::Gone(name, last.parse().ok()?)),
            ["heard", name, whose, ref marks @ ..] => {
                let marks = marks.iter().map(|mark| mark.parse());
                Some(Self::Heard(
                    name,
                    whose,
                    marks.collect::<Result<_, _>>().ok()?,
                ))
            }
            ["ping", nonce] => Some(Self::Ping(nonce)),
            ["told", name, group] => Some(Self::Told(name, group)),
            _ => None,
        }
    }
}

/// One entry of a stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the stream.
    pub id: String,
    /// Its head; empty when it is not one of ours.
    pub head: String,
    /// Its payload; empty when it has none.
    pub payload: Bytes,
}

/// The entries of several streams, by the names of these; `None` when this is no such answer.
pub fn streams(answer: Value) -> Option<BTreeMap<String, Vec<Entry>>> {
    match answer {
        Value::Nil => Some(BTreeMap::new()),
        Value::Array(streams) => streams.into_iter().map(stream).collect(),
        _ => None,
    }
}

fn stream(stream: Value) -> Option<(String, Vec<Entry>)> {
    let [name, entries] = pair(stream)?;
    Some((text(name)?, self::entries(entries)?))
}

/// The entries of one stream; `None` when this is no such answer.
pub fn entries(answer: Value) -> Option<Vec<Entry>> {
    match answer {
        Value::Array(entries) => entries.into_iter().map(entry).collect(),
        _ => None,
    }
}

fn entry(entry: Value) -> Option<Entry> {
    let [id, fields] = pair(entry)?;
    let mut entry = Entry {
        id: text(id)?,
        head: String::new(),
        payload: Bytes::new(),
    };
    let Value::Array(fields) = fields else {
        return None;
    };
    let mut fields = fields.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        match text(name).as_deref() {
            Some("h") => entry.head = text(value).unwrap_or_default(),
            Some("p") => entry.payload = bytes(value)?.into(),
            _ => {}
        }
    }
    Some(entry)
}

fn pair(value: Value) -> Option<[Value; 2]> {
    match value {
        Value::Array(values) => values.try_into().ok(),
        _ => None,
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

/// A string of Redis.
pub fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn here(serves: bool) -> Remark {
        Remark::Here {
            name: "a".to_owned(),
            serves,
        }
    }

    #[test]
    fn what_is_said_is_understood() {
        let remarks = [
            (here(true), Said::Here("a", 7, true)),
            (here(false), Said::Here("a", 7, false)),
            (Remark::Who("a".into()), Said::Who("a")),
            (Remark::Gone("a".into()), Said::Gone("a", 7)),
            (Remark::Ping("x".into()), Said::Ping("x")),
            (
                Remark::Heard {
                    name: "a".into(),
                    whose: "b".into(),
                    marks: vec![3, -1],
                },
                Said::Heard("a", "b", vec![3, -1]),
            ),
            (
                Remark::Told {
                    name: "a".into(),
                    event: Event::told("here:1", "{}"),
                },
                Said::Told("a", "here:1"),
            ),
        ];
        for (remark, said) in remarks {
            let (head, payload) = remark.text(7);
            assert_eq!(Said::parse(&head), Some(said), "{head}");
            assert_eq!(payload.is_some(), matches!(remark, Remark::Told { .. }));
        }
        assert_eq!(
            Said::parse("event a 9 4 room:1"),
            Some(Said::Event {
                name: "a",
                number: 9,
                mark: 4,
                group: "room:1"
            })
        );
        for strange in [
            "",
            "begin",
            "event a 9 4",
            "event a x 4 g",
            "here a",
            "heard a b x",
        ] {
            assert_eq!(Said::parse(strange), None, "{strange:?}");
        }
    }

    #[test]
    fn answers_are_taken_apart_and_others_are_none() {
        let fields = ["h", "who a", "p", "{}", "odd"].map(bulk).to_vec();
        let entry = Value::Array(vec![bulk("1-0"), Value::Array(fields)]);
        let stream = Value::Array(vec![bulk("s"), Value::Array(vec![entry])]);
        let found = streams(Value::Array(vec![stream])).expect("streams");
        let expected = Entry {
            id: "1-0".to_owned(),
            head: "who a".to_owned(),
            payload: "{}".into(),
        };
        assert_eq!(found["s"], [expected]);
        assert_eq!(streams(Value::Nil), Some(BTreeMap::new()));
        for strange in [
            Value::Okay,
            Value::Int(1),
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![Value::Array(vec![bulk("s")])]),
            Value::Array(vec![Value::Array(vec![bulk("s"), Value::Nil])]),
        ] {
            assert_eq!(streams(strange.clone()), None, "{strange:?}");
        }
    }
}
