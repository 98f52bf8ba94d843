//! The room of a course: what its students, its teacher and the staff say to each other there.
//!
//! Here are the rules of a line and who may come in. What sockets speak stands in `asked` and `frames`, what is stored
//! in `store`; lines of many are written at once (`writer`) and changed one by one (`editing`), where it is seen what moderators have done
//! ([`moderation`]) and who is mentioned (`mentions`). Rooms with somebody in them (`rooms`) hear the bus (`listener`),
//! know who is there (`people`, `presence`), and hold the sockets (`visit`, `socket`, `wire`). How far people have read is
//! noted in `reads`, what they have not is counted in `unread`. Lines carry pictures (`pictures`), which are sent before them
//! ([`sending`]). Pages: [`pages`]; for scripts and programs [`history`]
//! and [`tickets`].
//!
//! What happens in a room is numbered: a line, the change of one, a deletion. The number is taken in the
//! transaction that writes it, under the lock of the room's row, so that the order of the numbers is the order of the
//! commits, whatever the node. A reader who has seen up to 41 asks for what came after; a hole is seen by the number
//! that comes next. Decision 0027. What is not stored, and what is counted: decision 0029.

pub mod api;
mod asked;
mod bar;
mod editing;
mod end;
mod facts;
mod frames;
pub mod history;
mod listener;
mod mentions;
pub mod moderation;
mod pace;
pub mod pages;
mod past;
mod people;
mod pictures;
mod places;
mod presence;
mod reads;
mod refusal;
mod rooms;
pub mod sending;
mod socket;
mod store;
pub mod tickets;
mod unread;
mod visit;
mod wire;
mod writer;

pub use bar::count_unread_rooms;
pub use facts::room_facts;
pub use moderation::set_locked;
pub use past::{PastLine, write_past};
pub use rooms::Rooms;
pub use store::reads::{View, view};
pub use visit::enter;

use crate::app::App;
use crate::entities::course;
use crate::error::{Error, Result};
use crate::learning;
use crate::web::identity::Person;
use sea_orm::EntityTrait as _;
use serde::Serialize;

/// Longest line, in characters, after trimming.
pub const TEXT_LIMIT: usize = 4_000;

/// Told of a line that says nothing.
const EMPTY: &str = "A line needs at least one character.";

/// Longest name that a client gives its line, in characters.
const CLIENT_ID_LIMIT: usize = 64;

/// The room of this course, if she may come in: its students, its owner, staff.
///
/// # Errors
/// [`Error::Forbidden`], also when there is no such course: who is not in it learns nothing of it.
async fn find_course(app: &App, person: &Person, id: i64) -> Result<course::Model> {
    let db = app.db.read();
    let found = course::Entity::find_by_id(id).one(db).await?;
    let Some(course) = found else {
        return Err(Error::forbidden());
    };
    if learning::may_study(db, person, &course).await? {
        Ok(course)
    } else {
        Err(Error::forbidden())
    }
}

/// Tells all nodes something that need not last.
fn tell(app: &App, group: &str, payload: &(impl Serialize + ?Sized)) {
    if let Err(error) = app.bus.tell(group, payload) {
        tracing::warn!(%error, group, "nobody was told");
    }
}

/// The text of a line as it is kept: without what stands around it, and without NUL, which PostgreSQL does not take. It may
/// be empty, which is right for a line with pictures alone.
///
/// # Errors
/// A sentence for who sent it, when there is more than [`TEXT_LIMIT`].
fn clean(text: &str) -> Result<String, &'static str> {
    let text = text.replace('\0', "");
    let text = text.trim();
    match text.chars().count() {
        0..=TEXT_LIMIT => Ok(text.to_owned()),
        _ => Err("A line has up to 4,000 characters. Send it in parts."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_up_to_4000_characters_after_trimming() {
        assert_eq!(clean("  a line \n").unwrap(), "a line");
        assert_eq!(clean("a\0b").unwrap(), "ab");
        for nothing in ["", "   \n\t", "\0"] {
            assert_eq!(clean(nothing).unwrap(), "");
        }
        let longest = "é".repeat(TEXT_LIMIT);
        assert_eq!(clean(&format!(" {longest} ")).unwrap(), longest);
        assert!(clean(&format!("{longest}e")).is_err());
    }
}
