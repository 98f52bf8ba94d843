//! Changes of lines that were said: they read otherwise, or are gone. They are rare and are written one by one.

use super::frames::{Frame, Speaker};
use super::mentions::{self, Notices};
use super::moderation::Gate;
use super::refusal::Refusal;
use super::store;
use super::store::acts::{self, About};
use super::writer::{Told, group_of};
use super::{EMPTY, pictures, unread};
use crate::app::App;
use crate::db::Write;
use crate::entities::chat_act::ChatActKind;
use crate::entities::{chat_line, chat_room, course};
use crate::error::Result;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Who changes a line.
#[derive(Clone, Debug)]
pub struct Editor {
    /// As others see her.
    pub speaker: Arc<Speaker>,
    /// She may delete the lines of others, which is logged.
    pub is_moderator: bool,
}

/// Lets a line read otherwise: only who said it may.
///
/// # Errors
/// [`Refusal::Gone`] when it is not there any more, [`Refusal::Forbidden`] when it is not hers, [`Refusal::Invalid`] when
/// nothing would be left of it, and what keeps her from writing at all.
pub async fn edit(
    app: &App,
    course: &course::Model,
    editor: &Editor,
    line_id: i64,
    text: String,
) -> Result<(), Refusal> {
    let now = app.clock.now();
    let mut write = app.write().await?;
    let room = store::lock(&write, course.id).await?;
    let line = store::find(&*write, course.id, line_id).await?;
    let line = line.ok_or(Refusal::Gone)?;
    let user_id = editor.speaker.id.unwrap_or_default();
    if line.user_id != Some(user_id) {
        return Err(Refusal::Forbidden("You may not change this line."));
    }
    if text.is_empty() && !store::pictures::are_there(&write, course.id, line_id).await? {
        return Err(Refusal::Invalid(EMPTY.into()));
    }
    if !editor.is_moderator {
        let ids = BTreeSet::from([user_id]);
        let gate = Gate::for_people(&write, &room, &ids, now).await?;
        gate.check(user_id)?;
    }
    let people = mentions::find(&write, course, [text.as_str()]).await?;
    let (names, ids) = mentions::of(&text, &people);
    let before = mentions::forget(&write, course.id, line_id).await?;
    let mut notices = Notices::default();
    let of_line = (line_id, &ids);
    notices
        .add(&write, course, &editor.speaker, of_line)
        .await?;
    let last = room.last + 1;
    let line = store::change(&write, line, last, Some((text, names)), now).await?;
    tell_change(&mut write, &room, &line, last).await?;
    store::set_last(&write, room, last, None).await?;
    let concerned = before.into_iter().chain(notices.user_ids()).collect();
    unread::tell(&mut write, concerned).await?;
    notices.send(app, &mut write).await?;
    Ok(write.commit().await?)
}

/// Takes a line back: her own; a moderator may delete every one.
///
/// # Errors
/// [`Refusal::Gone`] when it is not there any more, [`Refusal::Forbidden`] when it is not hers.
pub async fn delete(
    app: &App,
    course: &course::Model,
    editor: &Editor,
    line_id: i64,
) -> Result<(), Refusal> {
    let now = app.clock.now();
    let mut write = app.write().await?;
    let room = store::lock(&write, course.id).await?;
    let line = store::find(&*write, course.id, line_id).await?;
    let line = line.ok_or(Refusal::Gone)?;
    let is_hers = line.user_id.is_some() && line.user_id == editor.speaker.id;
    if !is_hers {
        let moderator_id = editor.speaker.id.filter(|_| editor.is_moderator);
        let Some(moderator_id) = moderator_id else {
            return Err(Refusal::Forbidden("You may not change this line."));
        };
        let about = About {
            user_id: line.user_id,
            line_id: Some(line_id),
            ..About::default()
        };
        let who = (course.id, moderator_id);
        acts::log(&write, who, ChatActKind::Delete, about, now).await?;
    }
    let concerned = mentions::forget(&write, course.id, line_id).await?;
    pictures::discard(app, &mut write, course.id, line_id).await?;
    let last = room.last + 1;
    let was_newest = room.last_line == line_id;
    let line = store::change(&write, line, last, None, now).await?;
    tell_change(&mut write, &room, &line, last).await?;
    let newest = if was_newest {
        Some(store::newest(&write, course.id).await?)
    } else {
        None
    };
    store::set_last(&write, room, last, newest).await?;
    unread::tell(&mut write, concerned).await?;
    if was_newest {
        unread::tell_room(&mut write, course.id).await?;
    }
    Ok(write.commit().await?)
}

async fn tell_change(
    write: &mut Write,
    room: &chat_room::Model,
    line: &chat_line::Model,
    last: i64,
) -> Result<()> {
    let told = Told {
        after: room.last,
        frames: vec![Frame::of_change(line)],
        last,
    };
    write.publish(&group_of(room.course_id), &told).await
}
