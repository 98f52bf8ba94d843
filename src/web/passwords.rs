//! Password hashes: argon2id, off the async threads, at most one a core at a time.

use crate::error::{Error, Result};
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::sync::Semaphore;

/// OWASP Password Storage Cheat Sheet, argon2id: 19 MiB, 2 passes, 1 lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// How many may wait for a core; more are told to come back.
const QUEUE: usize = 128;

/// Hashes and checks passwords, bounded so that a flood of log-ins cannot take the machine.
pub struct Passwords {
    cores: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    /// Checked for names that do not exist, so that the time taken tells nothing.
    decoy: tokio::sync::OnceCell<String>,
    checks: AtomicU64,
}

impl Passwords {
    /// One hash a core at a time.
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            cores: Arc::new(Semaphore::new(cores)),
            waiting: Arc::default(),
            decoy: tokio::sync::OnceCell::new(),
            checks: AtomicU64::new(0),
        }
    }

    /// The hash to store, in PHC form.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when too many wait already.
    pub async fn hash(&self, password: &str) -> Result<String> {
        let password = password.to_owned();
        self.bounded(move || {
            let hash = hasher()?
                .hash_password(password.as_bytes())
                .map_err(|e| Error::internal(e.to_string()))?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Whether the password is the one behind the hash. An empty hash fits no password,
    /// and takes as long to refuse as any other.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when too many wait already.
    pub async fn verify(&self, password: &str, hash: &str) -> Result<bool> {
        let decoy = self
            .decoy
            .get_or_try_init(|| self.hash("a password that nobody has"))
            .await?;
        self.checks.fetch_add(1, Ordering::Relaxed);
        let is_real = !hash.is_empty();
        let hash = if is_real {
            hash.to_owned()
        } else {
            decoy.clone()
        };
        let password = password.to_owned();
        self.bounded(move || {
            let Ok(parsed) = PasswordHash::new(&hash) else {
                tracing::warn!("a stored password hash is in no form that this site knows; its owner needs a new password");
                return Ok(false);
            };
            Ok(hasher()?
                .verify_password(password.as_bytes(), &parsed)
                .is_ok()
                && is_real)
        })
        .await
    }

    /// Passwords checked since the start; tests hold a program with Basic credentials to one.
    pub fn checks(&self) -> u64 {
        self.checks.load(Ordering::Relaxed)
    }

    async fn bounded<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = Place::take(&self.waiting)?;
        let core = Arc::clone(&self.cores).acquire_owned().await;
        let core = core.map_err(Error::internal)?;
        // A visitor who goes away does not stop the work: place and core are held until it is
        // done, or a flood of broken-off log-ins would hash without bound.
        let bounded = move || {
            let _held = (place, core);
            work()
        };
        tokio::task::spawn_blocking(bounded)
            .await
            .map_err(Error::internal)?
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

/// A place in the queue, given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(waiting: &Arc<AtomicUsize>) -> Result<Self> {
        let place = Self(Arc::clone(waiting));
        if waiting.fetch_add(1, Ordering::Relaxed) >= QUEUE {
            return Err(Error::Unavailable(
                "Too many people log in right now. Please try again in a moment.".into(),
            ));
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn hasher() -> Result<Argon2<'static>> {
    let params =
        Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|e| Error::internal(e.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_fits() {
        let passwords = Passwords::new();
        let hash = passwords.hash("violet harbor 9").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(passwords.verify("violet harbor 9", &hash).await.unwrap());
        assert!(!passwords.verify("violet harbor 8", &hash).await.unwrap());
    }

    #[tokio::test]
    async fn an_account_without_a_password_lets_nobody_in() {
        let passwords = Passwords::new();
        assert!(!passwords.verify("", "").await.unwrap());
        assert!(
            !passwords
                .verify("a password that nobody has", "")
                .await
                .unwrap()
        );
    }

    #[test]
    fn a_full_queue_is_refused_and_a_left_place_is_free_again() {
        let waiting = Arc::new(AtomicUsize::new(QUEUE - 1));
        let last = Place::take(&waiting).unwrap();
        assert!(matches!(Place::take(&waiting), Err(Error::Unavailable(_))));
        drop(last);
        assert!(Place::take(&waiting).is_ok());
    }
}
