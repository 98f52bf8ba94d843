//! How long an answer to "may she have this file?" holds: until something changes on which it rests.
//!
//! Who takes a right away, or changes what a file is, says so in the same transaction: [`lost_by`] for
//! a person, [`lost_to`] for uploads. Rights that are gained need not be told, since a "no" is never
//! remembered. Every remembered "yes" carries the [`stamp`](Rights::stamp) that held before its
//! reading *began*; a change gives its person or upload a newer one, so that an answer read before a
//! change is never found after it, however late it was stored. The answers themselves are kept by
//! the feature that asks.

use crate::db::Write;
use crate::error::Result;
use crate::web::changes;
use backends::bus::{Bus, Delivery};
use backends::clock::Clock;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Who hears of rights that were lost.
const GROUP: &str = "rights";

/// So many changes are kept apart; more, and everything is asked again.
const CHANGES: usize = 20_000;

/// Uploads named in one event; the payload stays small.
const UPLOADS_IN_EVENT: usize = 1_000;

/// What is told on [`GROUP`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RightsEvent {
    /// This person lost a right.
    Person { user_id: i64 },
    /// Somebody may have lost the right to these, or they are no longer what they were.
    Uploads { upload_ids: Vec<i64> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Person(i64),
    Upload(i64),
}

/// The changes of rights that this process has heard of.
#[derive(Debug)]
pub struct Rights {
    /// Keeps the stamps of processes that share a cache apart: each counts for itself.
    process: String,
    changes: RwLock<Changes>,
}

#[derive(Debug, Default)]
struct Changes {
    /// Counts changes; stands for the time.
    moment: u64,
    /// Nothing read before this moment is good.
    floor: u64,
    at: HashMap<Subject, u64>,
}

/// What a remembered answer has to carry. Taken *before* the database is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp(String);

impl std::fmt::Display for Stamp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Rights {
    /// Hears of changes from now on, for as long as the bus is open.
    pub fn hearing(bus: &Bus) -> Arc<Self> {
        let rights = Arc::new(Self::new());
        let heard = Arc::clone(&rights);
        bus.react(GROUP, move |delivery| heard.hear(delivery));
        rights
    }

    fn new() -> Self {
        Self {
            // Never from a clock whose randomness is fixed: two processes must differ.
            process: Clock::system().random_token(),
            changes: RwLock::default(),
        }
    }

    /// The stamp of an answer about this person and this upload that is read from now on.
    pub fn stamp(&self, user_id: i64, upload_id: i64) -> Stamp {
        let changes = self.changes.read().unwrap_or_else(PoisonError::into_inner);
        let at = |subject| changes.at.get(&subject).copied().unwrap_or(0);
        let latest = changes
            .floor
            .max(at(Subject::Person(user_id)))
            .max(at(Subject::Upload(upload_id)));
        Stamp(format!("{}.{latest}", self.process))
    }

    fn hear(&self, delivery: &Delivery) {
        let Delivery::Event(event) = delivery else {
            return self.forget_all();
        };
        match event.decode() {
            Ok(RightsEvent::Person { user_id }) => self.forget([Subject::Person(user_id)]),
            Ok(RightsEvent::Uploads { upload_ids }) => {
                self.forget(upload_ids.into_iter().map(Subject::Upload));
            }
            Err(error) => {
                // Of another release, perhaps: what it took away is not known.
                tracing::warn!(%error, "a change of rights could not be read");
                self.forget_all();
            }
        }
    }

    fn forget(&self, subjects: impl IntoIterator<Item = Subject>) {
        let mut changes = self.changes.write().unwrap_or_else(PoisonError::into_inner);
        changes.moment += 1;
        let moment = changes.moment;
        for subject in subjects {
            if changes.at.len() >= CHANGES {
                changes.at.clear();
                changes.floor = moment;
            }
            changes.at.insert(subject, moment);
        }
    }

    fn forget_all(&self) {
        let mut changes = self.changes.write().unwrap_or_else(PoisonError::into_inner);
        changes.moment += 1;
        changes.floor = changes.moment;
        changes.at.clear();
    }
}

/// Somebody loses a right to files with this transaction: she left a course, for example.
pub async fn lost_by(write: &mut Write, user_id: i64) -> Result<()> {
    write.publish(GROUP, &RightsEvent::Person { user_id }).await
}

/// With this transaction somebody may lose the right to these uploads, or their files become others: a
/// content that shows them is deleted or shows something else, a course becomes a draft, a file is
/// processed again.
pub async fn lost_to(write: &mut Write, upload_ids: &[i64]) -> Result<()> {
    changes::uploads(write, upload_ids).await?;
    for ids in upload_ids.chunks(UPLOADS_IN_EVENT) {
        let upload_ids = ids.to_vec();
        write
            .publish(GROUP, &RightsEvent::Uploads { upload_ids })
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_ends_the_answers_about_its_person_or_upload_and_no_others() {
        let rights = Rights::new();
        let stamps = || [(1, 7), (1, 8), (2, 7), (2, 8)].map(|(who, what)| rights.stamp(who, what));
        let before = stamps();
        rights.forget([Subject::Person(1)]);
        let between = stamps();
        assert_eq!(
            between.each_ref().map(|stamp| before.contains(stamp)),
            [false, false, true, true]
        );
        rights.forget([Subject::Upload(8)]);
        let after = stamps();
        assert!(after[0] == between[0] && after[2] == between[2]);
        assert!(after[1] != between[1] && after[3] != between[3]);
    }

    #[test]
    fn a_stamp_never_comes_back() {
        let rights = Rights::new();
        let mut seen = vec![rights.stamp(1, 7)];
        let mut step = |change: &dyn Fn()| {
            change();
            let stamp = rights.stamp(1, 7);
            assert!(!seen.contains(&stamp), "{stamp}");
            seen.push(stamp);
        };
        step(&|| rights.forget([Subject::Upload(7)]));
        step(&|| rights.forget([Subject::Person(1)]));
        step(&|| rights.forget_all());
        step(&|| rights.forget([Subject::Person(1)]));
        let many = 100..100 + i64::try_from(CHANGES).unwrap();
        step(&|| rights.forget(many.clone().map(Subject::Upload)));
        step(&|| rights.forget([Subject::Upload(7)]));
        assert_ne!(rights.stamp(1, 7), Rights::new().stamp(1, 7));
    }
}
