//! What a backend can fail with. What of it a caller sees is decided in [`super::guard`].

use super::CacheError;

/// Why a backend did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It cannot be reached, does not answer in time, or breaks off; says why, in words that
    /// hold no secret.
    #[error("{0}")]
    Unavailable(String),
    /// It answered something that its protocol does not know; says what, shortened and escaped.
    #[error("it answers what cannot be understood: {0}")]
    Garbled(String),
    /// It is well, and refuses this one request: out of memory, read-only, not allowed.
    #[error("it refuses: {0}")]
    Refused(String),
    /// What is to be counted on is no whole number of 64 bits, or would no longer be one.
    #[error("the value is not a whole number that can be counted on")]
    NotANumber,
    /// The value is larger than the backend takes; both in bytes.
    #[error("a value of {bytes} bytes is too large, at most {most} are taken")]
    TooLarge {
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        most: usize,
    },
}

impl Fault {
    /// Whether the backend, and not the request, is at fault, so that asking again at once is idle.
    pub fn is_of_the_backend(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Garbled(_))
    }

    /// Of a backend that is not asked, because it did not answer before.
    pub fn away() -> Self {
        Self::Unavailable("it did not answer before and is not asked".to_owned())
    }

    /// What a server said, made fit for a log line.
    pub fn garbled(said: &[u8]) -> Self {
        Self::Garbled(excerpt(said))
    }
}

/// The beginning of what a server said, escaped, for it ends in a log line.
pub fn excerpt(said: &[u8]) -> String {
    let head = said.get(..60).unwrap_or(said);
    head.escape_ascii().to_string()
}

impl From<Fault> for CacheError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unavailable(_) | Fault::Garbled(_) | Fault::Refused(_) => Self::Unavailable,
            Fault::NotANumber => Self::NotANumber,
            Fault::TooLarge { bytes, most } => Self::TooLarge { bytes, most },
        }
    }
}
