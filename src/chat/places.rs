//! How many sockets somebody has open in this process, and how many are open from one address.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::web::throttle::place;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// When somebody who has too many may try again.
const RETRY_AFTER_SECONDS: u64 = 30;

/// Who is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    Person(i64),
    Address(IpAddr),
}

/// Open sockets; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Places(Arc<Mutex<HashMap<Who, u64>>>);

/// One open socket; dropping it makes room.
#[derive(Debug)]
pub struct Taken {
    places: Places,
    user_id: i64,
    address: IpAddr,
}

impl Places {
    /// Counts one more.
    ///
    /// # Errors
    /// [`Error::TooMany`] when she has as many as the configuration allows, or her address does.
    pub fn take(&self, config: &Config, user_id: i64, address: IpAddr) -> Result<Taken> {
        let address = place(address);
        let person = (Who::Person(user_id), config.chat_sockets_per_user);
        let network = (Who::Address(address), config.chat_sockets_per_address);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = |(who, most): (Who, u64)| counts.get(&who).copied().unwrap_or(0) >= most;
        if is_full(person) {
            return Err(too_many(
                "You have as many rooms open as one person may. Close some windows and try again.",
            ));
        }
        if is_full(network) {
            return Err(too_many(
                "Too many rooms are open from your network. Try again in a moment.",
            ));
        }
        for (who, _) in [person, network] {
            *counts.entry(who).or_default() += 1;
        }
        Ok(Taken {
            places: self.clone(),
            user_id,
            address,
        })
    }
}

fn too_many(message: &str) -> Error {
    Error::TooMany {
        message: message.into(),
        retry_after_seconds: RETRY_AFTER_SECONDS,
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let counts = &self.places.0;
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        for who in [Who::Person(self.user_id), Who::Address(self.address)] {
            let left = counts.get(&who).map_or(0, |count| count.saturating_sub(1));
            if left == 0 {
                counts.remove(&who);
            } else {
                counts.insert(who, left);
            }
        }
    }
}
