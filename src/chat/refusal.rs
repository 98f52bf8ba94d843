//! Why something that was asked of a room is not done.

use crate::error::Error;

/// Why not.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// The line that is meant is not there any more.
    Gone,
    /// She has sent no such picture to this room, or it is not there any more.
    PictureGone,
    /// She may not.
    Forbidden(&'static str),
    /// The room is closed for all but moderators.
    Locked,
    /// A moderator has muted her.
    Muted {
        /// For so long still.
        seconds: u64,
    },
    /// The room is slowed down, and she said something a moment ago.
    Slow {
        /// When she may again.
        seconds: u64,
    },
    /// A number is not one that can be asked for.
    Invalid(String),
    /// It could not be kept.
    Fault(Error),
}

impl PartialEq for Refusal {
    fn eq(&self, other: &Self) -> bool {
        self.code() == other.code() && self.retry_after_seconds() == other.retry_after_seconds()
    }
}

impl Refusal {
    /// Told in a room that is closed.
    pub const LOCKED: &str = "This room is closed for now. You can read what was said.";

    /// Told who is muted.
    pub const MUTED: &str = "A moderator has muted you for a while. You can read on.";

    /// In a word, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Gone | Self::PictureGone => "gone",
            Self::Forbidden(_) => "forbidden",
            Self::Locked => "locked",
            Self::Muted { .. } => "muted",
            Self::Slow { .. } => "slow",
            Self::Invalid(_) => "invalid",
            Self::Fault(_) => "not_kept",
        }
    }

    /// In a sentence, for people.
    pub fn words(&self) -> &str {
        match self {
            Self::Gone => "This line is not here any more.",
            Self::PictureGone => {
                "A picture of this line is not here any more, or was not sent to this room. Send it again."
            }
            Self::Forbidden(words) => words,
            Self::Locked => Self::LOCKED,
            Self::Muted { .. } => Self::MUTED,
            Self::Slow { .. } => "This room is slowed down. Wait a little before your next line.",
            Self::Invalid(words) => words,
            Self::Fault(_) => "This could not be kept just now. Send it again.",
        }
    }

    /// When it may be tried again, where that is known.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::Muted { seconds } | Self::Slow { seconds } => Some(*seconds),
            _ => None,
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::Gone,
            Error::Forbidden(words) => Self::Forbidden(words),
            Error::Invalid(problems) => {
                let words: Vec<&str> = problems
                    .iter()
                    .flat_map(|(_, words)| words.iter().map(String::as_str))
                    .collect();
                Self::Invalid(words.join(" "))
            }
            other => Self::Fault(other),
        }
    }
}
