//! Who was found behind a cookie or a credential lately, so that the next request asks nobody.
//!
//! What is remembered must never outlive a change of the person. Every answer therefore carries
//! the moment at which its reading *began*, and is good only while that is later than the last
//! change of its person: an answer that was read before a change and arrives after it is
//! worthless however late it is stored.

use crate::web::identity::Person;
use chrono::{DateTime, Utc};
use moka::future::Cache;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Changes of so many people are kept apart; more, and everything is looked up again.
const CHANGES: usize = 10_000;

/// People by the key under which they were found.
pub struct Remembered<K> {
    known: Cache<K, Arc<Known>>,
    /// Counts changes; stands for the time.
    moment: AtomicU64,
    /// Nothing read before this moment is good.
    floor: AtomicU64,
    /// When each person last changed.
    changed: RwLock<HashMap<i64, u64>>,
}

/// One answer.
#[derive(Debug, Clone)]
pub struct Known {
    /// Who it is.
    pub person: Arc<Person>,
    /// From when on it no longer holds, by the site's clock.
    pub expires_at: Option<DateTime<Utc>>,
    read_at: Moment,
}

/// When a reading began. To be taken *before* the database is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl<K: Hash + Eq + Send + Sync + 'static> Remembered<K> {
    /// Remembers so many, each for so long.
    pub fn new(most: u64, lifetime: Duration) -> Self {
        Self {
            known: Cache::builder()
                .max_capacity(most)
                .time_to_live(lifetime)
                .build(),
            moment: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            changed: RwLock::default(),
        }
    }

    /// The present moment.
    pub fn moment(&self) -> Moment {
        Moment(self.moment.load(Ordering::SeqCst))
    }

    /// Who is behind the key, if that still holds.
    pub async fn get(&self, key: &K) -> Option<Arc<Known>> {
        let known = self.known.get(key).await?;
        self.holds(&known).then_some(known)
    }

    /// Remembers an answer whose reading began at `read_at`.
    pub async fn keep(
        &self,
        key: K,
        read_at: Moment,
        person: Arc<Person>,
        expires_at: Option<DateTime<Utc>>,
    ) {
        let known = Known {
            person,
            expires_at,
            read_at,
        };
        if self.holds(&known) {
            self.known.insert(key, Arc::new(known)).await;
        }
    }

    /// What was read of this person until now no longer holds. To be called after the change
    /// is committed.
    pub fn forget(&self, user_id: i64) {
        let mut changed = self.changed.write().unwrap_or_else(PoisonError::into_inner);
        let moment = self.moment.fetch_add(1, Ordering::SeqCst) + 1;
        if changed.len() >= CHANGES {
            changed.clear();
            self.floor.store(moment, Ordering::SeqCst);
        }
        changed.insert(user_id, moment);
    }

    /// Nothing that was read until now holds any more: events may have been lost.
    pub fn forget_all(&self) {
        let mut changed = self.changed.write().unwrap_or_else(PoisonError::into_inner);
        let moment = self.moment.fetch_add(1, Ordering::SeqCst) + 1;
        self.floor.store(moment, Ordering::SeqCst);
        changed.clear();
        drop(changed);
        self.known.invalidate_all();
    }

    fn holds(&self, known: &Known) -> bool {
        let changed = self.changed.read().unwrap_or_else(PoisonError::into_inner);
        let last = changed.get(&known.person.id).copied().unwrap_or(0);
        known.read_at.0 >= last.max(self.floor.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::user;
    use std::collections::BTreeSet;

    fn person(id: i64) -> Arc<Person> {
        let account = user::Model {
            id,
            username: format!("person{id}"),
            name: String::new(),
            email: String::new(),
            email_confirmed_at: None,
            password_hash: String::new(),
            is_staff: false,
            is_active: true,
            time_zone: "UTC".into(),
            theme: "system".into(),
            credential_version: 1,
            created_at: DateTime::UNIX_EPOCH,
            last_login_at: None,
        };
        Arc::new(Person::new(account, BTreeSet::new()))
    }

    fn memory() -> Remembered<&'static str> {
        Remembered::new(100, Duration::from_secs(3600))
    }

    #[tokio::test]
    async fn a_change_is_forgotten_for_its_person_alone() {
        let memory = memory();
        memory.keep("maya", memory.moment(), person(1), None).await;
        memory
            .keep("ingrid", memory.moment(), person(2), None)
            .await;
        memory.forget(1);
        assert!(memory.get(&"maya").await.is_none());
        assert!(memory.get(&"ingrid").await.is_some());
        memory.keep("maya", memory.moment(), person(1), None).await;
        assert!(
            memory.get(&"maya").await.is_some(),
            "what was read since is good"
        );
    }

    #[tokio::test]
    async fn what_was_read_before_a_change_and_arrives_after_it_is_worthless() {
        let memory = memory();
        let began = memory.moment();
        memory.forget(1);
        memory.keep("maya", began, person(1), None).await;
        assert!(memory.get(&"maya").await.is_none());
        let began = memory.moment();
        memory.forget_all();
        memory.keep("maya", began, person(1), None).await;
        assert!(memory.get(&"maya").await.is_none());
    }

    #[tokio::test]
    async fn more_changes_than_are_kept_apart_forget_too_much_never_too_little() {
        let memory = memory();
        let began = memory.moment();
        memory.keep("maya", began, person(1), None).await;
        memory.keep("ingrid", began, person(2), None).await;
        memory.forget(1);
        for id in 0..CHANGES {
            memory.forget(1000 + i64::try_from(id).unwrap());
        }
        assert!(memory.get(&"maya").await.is_none());
        assert!(memory.get(&"ingrid").await.is_none());
    }
}
