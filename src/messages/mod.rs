//! Messages: a sentence to one person about something that concerns her, kept until she
//! dismisses it, and events about what is hers, at once on every page she has open.
//!
//! Other features send with [`send`]. What they publish on the bus group [`group_of`] reaches
//! her pages too, as it is. Which sentence is sent when is for them to decide.

pub mod api;
mod letters;
pub mod pages;
mod store;
pub mod stream;

use crate::app::App;
use crate::db::Write;
pub use crate::entities::message::MessageLevel;
use crate::error::{Error, Problems, Result};
use crate::web::redirect;
pub use letters::{SendLetter, deliver, write_letter, write_letter_to};
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::watch;

/// What another feature tells the open pages of a person: its newest state, as JSON with a `type`, and again whenever
/// that is another. Made by the table of routes, since nothing here knows of other features.
#[derive(Clone)]
pub struct Beside(pub Arc<Watch>);

/// Begins to look after somebody; there is nothing before the first state is known.
pub type Watch = dyn Fn(i64) -> watch::Receiver<Option<Arc<str>>> + Send + Sync;

/// Longest text, in characters.
pub const TEXT_LIMIT: usize = 250;

/// Longest [`NewMessage::dedupe_key`], in characters.
const DEDUPE_KEY_LIMIT: usize = 150;

/// A message to be sent.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// To whom; nobody else sees it.
    pub recipient_id: i64,
    /// Plain text, 1-250 characters ([`TEXT_LIMIT`]): shorten the names inside, not the whole.
    pub text: String,
    /// How it is meant.
    pub level: MessageLevel,
    /// Where it leads: a path of this site, or empty.
    pub link: String,
    /// What it is about, up to 150 characters. A second message to the same person with the same
    /// key is not made, so that a notification that comes twice is told once.
    pub dedupe_key: Option<String>,
}

/// The bus group of what concerns one person. Everything on it is forwarded to her open pages,
/// so that it may hold only what she may know: JSON objects with a `type`.
pub fn group_of(user_id: i64) -> String {
    format!("user:{user_id}")
}

/// What the pages of a person are told about her messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum MessageEvent {
    /// There is a new one.
    Message {
        /// Its number.
        id: i64,
        /// Plain text.
        text: String,
        /// How it is meant.
        level: MessageLevel,
        /// A path of this site, or empty.
        link: String,
        /// How many unread messages she has now.
        unread: u64,
    },
    /// Her unread messages as they are in the database: a page takes away those that are not
    /// among them.
    Unread {
        /// How many there are.
        unread: u64,
        /// Their numbers, newest first, complete from `from` up to `to`.
        ids: Vec<i64>,
        /// The lowest number that `ids` speaks of.
        from: i64,
        /// The number of her newest message, read or not; 0 when she has none.
        to: i64,
    },
    /// Events may have been missed: what a page shows of other things is to be read again.
    Refresh,
    /// She has dismissed one.
    MessageRead {
        /// Its number.
        id: i64,
        /// How many unread messages she has now.
        unread: u64,
    },
}

/// Sends a message in the caller's transaction: it is there, and told to the recipient's open
/// pages, if and only if that is committed. Whoever writes to several people in one transaction
/// does so by growing number of the person, for each is locked until the end of it.
///
/// To somebody who has no account (any more) nothing is sent.
///
/// # Errors
/// [`Error::Invalid`] for a text, link or key that breaks the limits of [`NewMessage`].
pub async fn send(app: &App, write: &mut Write, message: NewMessage) -> Result<()> {
    deliver_new(app, write, message, None).await
}

/// [`send`], and what it puts out of date needs no dismissing any more: the unread messages to the same person whose
/// [`NewMessage::dedupe_key`] begins with `outdated` are read. When this one was sent before, nothing changes.
///
/// # Errors
/// As [`send`].
pub async fn send_instead(
    app: &App,
    write: &mut Write,
    message: NewMessage,
    outdated: &str,
) -> Result<()> {
    deliver_new(app, write, message, Some(outdated)).await
}

async fn deliver_new(
    app: &App,
    write: &mut Write,
    message: NewMessage,
    outdated: Option<&str>,
) -> Result<()> {
    check(&message)?;
    let user_id = message.recipient_id;
    let Some(id) = store::insert(write, &message, app.clock.now()).await? else {
        return Ok(());
    };
    let is_fewer = match outdated {
        Some(keys) => store::mark_outdated(write, user_id, keys, id).await?,
        None => false,
    };
    let event = MessageEvent::Message {
        id,
        text: message.text,
        level: message.level,
        link: message.link,
        unread: store::count_unread(&**write, user_id).await?,
    };
    let group = group_of(user_id);
    write.publish(&group, &event).await?;
    if is_fewer {
        let left = store::load_unread(&**write, user_id).await?;
        write.publish(&group, &left).await?;
    }
    Ok(())
}

/// Marks a message read for its recipient. Once more changes nothing.
///
/// # Errors
/// [`Error::NotFound`] when it is not hers.
async fn dismiss(write: &mut Write, user_id: i64, id: i64) -> Result<()> {
    store::lock(write, user_id).await?;
    if store::mark_read(write, user_id, id).await? {
        let unread = store::count_unread(&**write, user_id).await?;
        let event = MessageEvent::MessageRead { id, unread };
        write.publish(&group_of(user_id), &event).await?;
    } else if !store::exists(write, user_id, id).await? {
        return Err(Error::NotFound);
    }
    Ok(())
}

/// Marks everything of hers read up to the message with the number `up_to`: what came after the
/// page was drawn on which she asked for it stays unread.
async fn dismiss_all(write: &mut Write, user_id: i64, up_to: i64) -> Result<()> {
    store::lock(write, user_id).await?;
    if store::mark_all_read(write, user_id, up_to).await? {
        let event = store::load_unread(&**write, user_id).await?;
        write.publish(&group_of(user_id), &event).await?;
    }
    Ok(())
}

fn check(message: &NewMessage) -> Result<(), Error> {
    let mut problems = Problems::new();
    problems.check(
        (1..=TEXT_LIMIT).contains(&message.text.chars().count()),
        "text",
        "A message has 1 to 250 characters.",
    );
    problems.check(
        message.link.is_empty() || redirect::local(&message.link).is_some(),
        "link",
        "A message leads to a path of this site, or nowhere.",
    );
    let key = message.dedupe_key.as_deref().unwrap_or("");
    problems.check(
        key.chars().count() <= DEDUPE_KEY_LIMIT,
        "dedupe_key",
        "What a message is about is told in up to 150 characters.",
    );
    problems.into_result()
}
