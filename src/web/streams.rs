//! How many streams and sockets a person has open in this process: bounded, since each holds
//! memory and a connection for as long as a page is open.

use crate::error::{Error, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Most of them for one person. A browser needs one for all its tabs.
pub const MOST_FOR_A_PERSON: u32 = 20;

/// When somebody who has too many may try again.
const RETRY_AFTER_SECONDS: u64 = 30;

/// What is open, by person; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Streams(Arc<Mutex<HashMap<i64, u32>>>);

/// One of them; dropping it makes room.
#[derive(Debug)]
pub struct OpenStream {
    streams: Streams,
    user_id: i64,
}

impl Streams {
    /// Counts one more.
    ///
    /// # Errors
    /// [`Error::TooMany`] when this person has [`MOST_FOR_A_PERSON`] already.
    pub fn open(&self, user_id: i64) -> Result<OpenStream> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(user_id).or_default();
        if *count >= MOST_FOR_A_PERSON {
            return Err(Error::TooMany {
                message: format!(
                    "You have {MOST_FOR_A_PERSON} live connections to this site already. Close some of its windows and try again."
                ),
                retry_after_seconds: RETRY_AFTER_SECONDS,
            });
        }
        *count += 1;
        Ok(OpenStream {
            streams: self.clone(),
            user_id,
        })
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut counts = self
            .streams
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.user_id) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.user_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_has_a_bounded_number_and_others_are_not_concerned() {
        let streams = Streams::default();
        let mut open: Vec<_> = (0..MOST_FOR_A_PERSON)
            .map(|_| streams.open(1).unwrap())
            .collect();
        assert!(matches!(streams.open(1), Err(Error::TooMany { .. })));
        assert!(streams.open(2).is_ok());
        open.pop();
        assert!(streams.open(1).is_ok());
    }

    #[test]
    fn nothing_is_remembered_of_who_has_left() {
        let streams = Streams::default();
        drop(streams.open(1).unwrap());
        assert!(streams.0.lock().unwrap().is_empty());
    }
}
