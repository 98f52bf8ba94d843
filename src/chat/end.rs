//! How a socket ends.

use crate::error::Error;

/// How a socket is closed (RFC 6455, section 7.4).
pub mod code {
    /// The peer broke the protocol.
    pub const PROTOCOL: u16 = 1002;
    /// A text that is not UTF-8.
    pub const INVALID: u16 = 1007;
    /// Larger than we take.
    pub const TOO_BIG: u16 = 1009;
    /// The site restarts: come back.
    pub const RESTART: u16 = 1012;
    /// She may not be here any more; ours.
    pub const FORBIDDEN: u16 = 4403;
}

/// Why a socket ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer is gone, or said so.
    Gone,
    /// We close it, with a code and a reason.
    Close(u16, &'static str),
    /// The site stops.
    Restart,
    /// The database does not answer: the client comes back and gets what it missed.
    Fault,
}

impl From<axum::Error> for End {
    fn from(error: axum::Error) -> Self {
        use tungstenite::Error as Ws;
        let Ok(fault) = error.into_inner().downcast::<Ws>() else {
            return Self::Gone;
        };
        match *fault {
            Ws::Capacity(_) => Self::Close(code::TOO_BIG, "This frame is too large."),
            Ws::Utf8(_) => Self::Close(code::INVALID, "A text is UTF-8."),
            Ws::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
                Self::Gone
            }
            Ws::Protocol(_) => Self::Close(code::PROTOCOL, "That is not RFC 6455."),
            _ => Self::Gone,
        }
    }
}

impl From<&Error> for End {
    fn from(error: &Error) -> Self {
        tracing::warn!(%error, "a socket ends early");
        Self::Fault
    }
}
