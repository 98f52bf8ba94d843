//! Who is in a room, over all nodes: the bookkeeping, without sockets and without the bus.
//!
//! People come and go at any time; the clients of this node are told in rounds, at most one a second, of what has
//! changed since the last one. Other nodes tell of their people, and are forgotten with them when they are not heard of.

use super::frames::{Answer, Speaker};
use axum::extract::ws::Utf8Bytes;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Most people who are named to somebody who comes in.
pub const MOST_NAMED: usize = 100;

/// Most people whom one frame names. What was once sent in one piece stays the size of a socket's buffer for as long as
/// it is open, and most sockets are sent nothing larger.
const NAMED_AT_ONCE: usize = 10;

/// In a room with more people only their number is told, and nobody hears who is writing.
pub const CROWD: usize = 200;

/// A node that was not heard of for so long has ended.
const SILENCE: Duration = Duration::from_secs(35);

/// How often somebody is told to be writing, at most.
const TYPING_EVERY: Duration = Duration::from_secs(2);

/// Somebody who is here on this node.
#[derive(Debug)]
struct Here {
    face: Arc<Speaker>,
    sockets: u32,
    typed_at: Option<Instant>,
}

/// People on another node.
#[derive(Debug)]
struct Node {
    people: HashMap<i64, Arc<Speaker>>,
    /// Number of the last change that was heard.
    number: u64,
    heard_at: Instant,
}

/// Who is in a room.
#[derive(Debug, Default)]
pub struct Presence {
    here: HashMap<i64, Here>,
    nodes: BTreeMap<String, Node>,
    /// Who may have come or gone since the last round.
    changed: HashSet<i64>,
    /// The same, of the people of this node, since other nodes were last told.
    changed_here: HashSet<i64>,
    /// Whom clients of this node know to be here.
    told: HashMap<i64, Arc<Speaker>>,
    /// Somebody waits to be told who is here.
    is_awaited: bool,
}

/// What the clients of this node are told.
#[derive(Debug)]
pub struct Round {
    /// For those who know who was here: what has changed; none when nothing has.
    pub presence: Vec<Utf8Bytes>,
    /// For those who do not; none when nobody waits for it.
    pub here: Vec<Utf8Bytes>,
}

/// What other nodes are told of the people of this one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Who is here.
    pub came: Vec<Arc<Speaker>>,
    /// Who is not any more.
    pub went: Vec<i64>,
}

impl Presence {
    /// Somebody opens a socket here.
    pub fn enter(&mut self, face: &Arc<Speaker>) {
        let id = face.id.unwrap_or_default();
        self.is_awaited = true;
        let here = self.here.entry(id).or_insert_with(|| Here {
            face: Arc::clone(face),
            sockets: 0,
            typed_at: None,
        });
        here.sockets += 1;
        if here.sockets == 1 {
            self.changed.insert(id);
            self.changed_here.insert(id);
        }
    }

    /// One of her sockets here ends.
    pub fn leave(&mut self, id: i64) {
        let Some(here) = self.here.get_mut(&id) else {
            return;
        };
        here.sockets = here.sockets.saturating_sub(1);
        if here.sockets == 0 {
            self.here.remove(&id);
            self.changed.insert(id);
            self.changed_here.insert(id);
        }
    }

    /// How many sockets she has here.
    pub fn sockets(&self, id: i64) -> u32 {
        self.here.get(&id).map_or(0, |here| here.sockets)
    }

    /// Somebody does not know who is here.
    pub fn ask(&mut self) {
        self.is_awaited = true;
    }

    /// Whether anybody has a socket here.
    pub fn is_empty_here(&self) -> bool {
        self.here.is_empty()
    }

    /// Whether she is to be told to be writing: not again within a moment, and not in a crowd.
    pub fn may_show_typing(&mut self, id: i64, now: Instant) -> bool {
        if self.told.len() > CROWD {
            return false;
        }
        let Some(here) = self.here.get_mut(&id) else {
            return false;
        };
        let is_due = here
            .typed_at
            .is_none_or(|typed_at| now.duration_since(typed_at) >= TYPING_EVERY);
        if is_due {
            here.typed_at = Some(now);
        }
        is_due
    }

    /// Whether there is something to tell the clients of this node.
    pub fn is_due(&self) -> bool {
        self.is_awaited || !self.changed.is_empty()
    }

    /// What the clients of this node are to be told now; encoded once for all of them.
    pub fn round(&mut self) -> Round {
        let was_crowd = self.told.len() > CROWD;
        let (mut came, mut went) = (Vec::new(), Vec::new());
        for id in std::mem::take(&mut self.changed) {
            match (self.find(id), self.told.contains_key(&id)) {
                (Some(face), false) => {
                    self.told.insert(id, Arc::clone(&face));
                    came.push(face);
                }
                (None, true) => {
                    self.told.remove(&id);
                    went.push(id);
                }
                _ => {}
            }
        }
        let is_crowd = self.told.len() > CROWD;
        let has_changed = !came.is_empty() || !went.is_empty();
        // Who was told numbers alone does not know who is left.
        let starts_over = was_crowd && !is_crowd;
        let is_awaited = std::mem::take(&mut self.is_awaited);
        let here = if is_awaited || starts_over {
            self.here_frames()
        } else {
            Vec::new()
        };
        let presence = if starts_over {
            here.clone()
        } else if has_changed {
            self.presence_frames(&came, &mut went, is_crowd)
        } else {
            Vec::new()
        };
        Round { presence, here }
    }

    fn find(&self, id: i64) -> Option<Arc<Speaker>> {
        let here = self.here.get(&id).map(|here| &here.face);
        let mut elsewhere = self.nodes.values().filter_map(|node| node.people.get(&id));
        here.or_else(|| elsewhere.next()).cloned()
    }

    fn here_frames(&self) -> Vec<Utf8Bytes> {
        let mut people: Vec<&Speaker> = self.told.values().map(AsRef::as_ref).collect();
        // The teacher first, so that she is among those who are named.
        people.sort_by(|one, other| {
            let key = |person: &&Speaker| (!person.is_teacher, person.id);
            key(one).cmp(&key(other))
        });
        people.truncate(MOST_NAMED);
        let count = self.told.len();
        let rest = people.split_off(people.len().min(NAMED_AT_ONCE));
        let mut frames = vec![Answer::Here { count, people }.text()];
        frames.extend(came_frames(count, &rest));
        frames
    }

    fn presence_frames(
        &self,
        came: &[Arc<Speaker>],
        went: &mut Vec<i64>,
        is_crowd: bool,
    ) -> Vec<Utf8Bytes> {
        went.sort_unstable();
        let mut came: Vec<&Speaker> = came.iter().map(AsRef::as_ref).collect();
        came.sort_by_key(|person| person.id);
        if is_crowd {
            came.clear();
            went.clear();
        }
        let count = self.told.len();
        let rest = came.split_off(came.len().min(NAMED_AT_ONCE));
        let mut frames = vec![Answer::Presence { count, came, went }.text()];
        frames.extend(came_frames(count, &rest));
        frames
    }

    /// What other nodes have not been told of the people of this one.
    pub fn changes(&mut self) -> Changes {
        let mut changes = Changes::default();
        for id in std::mem::take(&mut self.changed_here) {
            match self.here.get(&id) {
                Some(here) => changes.came.push(Arc::clone(&here.face)),
                None => changes.went.push(id),
            }
        }
        changes
    }

    /// Everybody who is here on this node.
    pub fn all(&self) -> Vec<Arc<Speaker>> {
        let people = self.here.values();
        people.map(|here| Arc::clone(&here.face)).collect()
    }

    /// Another node tells of changes among its people. `false` when something is missing before them: then it is to be
    /// asked for everybody.
    pub fn heard_changes(
        &mut self,
        name: &str,
        number: u64,
        came: Vec<Speaker>,
        went: &[i64],
        now: Instant,
    ) -> bool {
        let Some(node) = self.nodes.get_mut(name) else {
            return false;
        };
        node.heard_at = now;
        if number <= node.number {
            return true;
        }
        if number != node.number + 1 {
            return false;
        }
        node.number = number;
        for face in came {
            let id = face.id.unwrap_or_default();
            node.people.insert(id, Arc::new(face));
            self.changed.insert(id);
        }
        for id in went {
            node.people.remove(id);
            self.changed.insert(*id);
        }
        true
    }

    /// Another node tells of all its people, in parts of which the first begins anew.
    pub fn heard_all(
        &mut self,
        name: &str,
        number: u64,
        (people, is_first): (Vec<Speaker>, bool),
        now: Instant,
    ) {
        if is_first {
            self.forget(name);
        }
        let node = self.nodes.entry(name.to_owned()).or_insert_with(|| Node {
            people: HashMap::new(),
            number,
            heard_at: now,
        });
        node.number = number;
        node.heard_at = now;
        for face in people {
            let id = face.id.unwrap_or_default();
            node.people.insert(id, Arc::new(face));
            self.changed.insert(id);
        }
    }

    /// Another node tells that it is there, and the number of its last change. `false` when something is missing.
    pub fn heard_of(&mut self, name: &str, number: u64, now: Instant) -> bool {
        match self.nodes.get_mut(name) {
            Some(node) => {
                node.heard_at = now;
                node.number == number
            }
            None => false,
        }
    }

    /// Another node has nobody here any more, or has ended.
    pub fn forget(&mut self, name: &str) {
        if let Some(node) = self.nodes.remove(name) {
            self.changed.extend(node.people.into_keys());
        }
    }

    /// Forgets the nodes that have ended: those that were not heard of, and those that `is_there` does not know.
    pub fn forget_ended(&mut self, now: Instant, is_there: impl Fn(&str) -> bool) {
        let ended: Vec<String> = self
            .nodes
            .iter()
            .filter(|(name, node)| now.duration_since(node.heard_at) > SILENCE || !is_there(name))
            .map(|(name, _)| name.clone())
            .collect();
        for name in ended {
            self.forget(&name);
        }
    }

    /// Whether other nodes have told of people.
    pub fn knows_nodes(&self) -> bool {
        !self.nodes.is_empty()
    }
}

fn came_frames(count: usize, people: &[&Speaker]) -> Vec<Utf8Bytes> {
    let parts = people.chunks(NAMED_AT_ONCE).map(<[_]>::to_vec);
    let frames = parts.map(|came| Answer::Presence {
        count,
        came,
        went: &[],
    });
    frames.map(|frame| frame.text()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn face(id: i64) -> Arc<Speaker> {
        Arc::new(Speaker::new(id, &format!("student{id}"), "", id == 1))
    }

    /// The first frame, with everybody whom those after it name.
    fn read(frames: Vec<Utf8Bytes>) -> Option<Value> {
        let mut frames = frames.into_iter().map(|frame| {
            assert!(frame.len() < 4_000, "{} bytes at once", frame.len());
            serde_json::from_str::<Value>(&frame).unwrap()
        });
        let mut first = frames.next()?;
        let named = if first["type"] == "here" {
            "people"
        } else {
            "came"
        };
        for next in frames {
            assert_eq!(
                (&next["type"], &next["count"], &next["went"]),
                (&json!("presence"), &first["count"], &json!([]))
            );
            let came = next["came"].as_array().unwrap().iter().cloned();
            first[named].as_array_mut().unwrap().extend(came);
        }
        Some(first)
    }

    fn ids(people: &Value) -> Vec<i64> {
        let people = people.as_array().unwrap().iter();
        people
            .map(|person| person["user_id"].as_i64().unwrap())
            .collect()
    }

    #[test]
    fn two_sockets_are_one_person_who_goes_with_the_last() {
        let mut presence = Presence::default();
        presence.enter(&face(5));
        presence.enter(&face(5));
        let round = presence.round();
        let here = read(round.here).unwrap();
        assert_eq!((&here["count"], ids(&here["people"])), (&json!(1), vec![5]));
        presence.leave(5);
        assert!(!presence.is_due());
        presence.leave(5);
        let gone = read(presence.round().presence).unwrap();
        assert_eq!((&gone["count"], &gone["went"]), (&json!(0), &json!([5])));
    }

    #[test]
    fn who_reloads_a_page_between_two_rounds_neither_went_nor_came() {
        let mut presence = Presence::default();
        presence.enter(&face(5));
        presence.round();
        presence.leave(5);
        presence.enter(&face(5));
        let round = presence.round();
        assert!(round.presence.is_empty());
        assert!(!round.here.is_empty(), "the new page waits for it");
    }

    #[test]
    fn a_crowd_is_told_as_a_number_and_named_again_when_it_has_gone() {
        let mut presence = Presence::default();
        let crowd = i64::try_from(CROWD).unwrap();
        for id in 1..=crowd + 1 {
            presence.enter(&face(id));
        }
        let round = presence.round();
        let here = read(round.here).unwrap();
        assert_eq!(here["count"], crowd + 1);
        assert_eq!(ids(&here["people"]).len(), MOST_NAMED);
        assert_eq!(ids(&here["people"]).first(), Some(&1), "the teacher");
        let told = read(round.presence).unwrap();
        assert_eq!((&told["came"], &told["went"]), (&json!([]), &json!([])));
        assert!(!presence.may_show_typing(1, Instant::now()));
        presence.leave(7);
        let round = read(presence.round().presence).unwrap();
        assert_eq!(
            (&round["type"], &round["count"]),
            (&json!("here"), &json!(crowd))
        );
    }

    #[test]
    fn somebody_who_writes_is_shown_once_in_a_while() {
        let mut presence = Presence::default();
        let now = Instant::now();
        assert!(!presence.may_show_typing(5, now), "she is not here");
        presence.enter(&face(5));
        assert!(presence.may_show_typing(5, now));
        assert!(!presence.may_show_typing(5, now + Duration::from_millis(1_999)));
        assert!(presence.may_show_typing(5, now + TYPING_EVERY));
    }

    #[test]
    fn people_of_other_nodes_are_here_until_their_node_is_not() {
        let mut presence = Presence::default();
        let now = Instant::now();
        assert!(
            !presence.heard_changes("b", 4, vec![], &[], now),
            "who is there?"
        );
        let people = vec![(*face(5)).clone(), (*face(6)).clone()];
        presence.heard_all("b", 4, (people, true), now);
        assert_eq!(read(presence.round().presence).unwrap()["count"], 2);
        // She is here, too, and stays when the other node loses her.
        presence.enter(&face(5));
        assert!(presence.heard_changes("b", 5, vec![(*face(7)).clone()], &[5], now));
        let round = read(presence.round().presence).unwrap();
        assert_eq!((ids(&round["came"]), &round["went"]), (vec![7], &json!([])));
        // A change was not heard.
        assert!(!presence.heard_changes("b", 7, vec![], &[6], now));
        assert!(!presence.heard_of("b", 7, now));
        presence.forget_ended(now + SILENCE, |_| true);
        assert!(!presence.is_due());
        presence.forget_ended(now, |_| false);
        let round = read(presence.round().presence).unwrap();
        assert_eq!(
            (&round["count"], &round["went"]),
            (&json!(1), &json!([6, 7]))
        );
    }

    #[test]
    fn other_nodes_are_told_once_of_each_change() {
        let mut presence = Presence::default();
        presence.enter(&face(5));
        presence.enter(&face(6));
        presence.leave(6);
        let changes = presence.changes();
        assert_eq!((changes.came.len(), changes.went), (1, vec![6]));
        assert_eq!(presence.changes(), Changes::default());
        assert_eq!(presence.all().len(), 1);
    }
}
