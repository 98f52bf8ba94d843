//! Lines of many written at once: while one transaction is on its way, what comes waits and goes into the next.
//!
//! So a line costs a transaction of its own in a quiet room, and a hundredth of one in a lively one. Changes of lines are
//! rare and are written one by one.

use super::frames::{Frame, Speaker};
use super::store;
use crate::app::App;
use crate::db::Write;
use crate::entities::{chat_line, course};
use crate::error::{Error, Result};
use chrono::{DateTime, Utc};
use sea_orm::EntityTrait as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tokio::sync::{mpsc, oneshot};

/// Lines in one transaction.
const MOST_LINES: usize = 256;

/// Bytes of text in one transaction, as near as whole lines come to it.
const MOST_BYTES: usize = 256 * 1024;

/// Lines that may wait; whoever sends one more waits herself.
const WAITING: usize = 1_024;

/// What others hear of a room, on the bus group [`group_of`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What comes next after this number.
    pub after: i64,
    /// By growing number.
    pub frames: Vec<Frame>,
    /// The number up to which this goes.
    pub last: i64,
}

/// The bus group of a room.
pub fn group_of(course_id: i64) -> String {
    format!("room:{course_id}")
}

/// A line that is to be kept.
#[derive(Clone, Debug)]
pub struct NewLine {
    /// In which room.
    pub course_id: i64,
    /// Who says it; she may.
    pub speaker: Speaker,
    /// What, as `clean` leaves it.
    pub text: String,
    /// What its sender calls it: one that was kept under this name is not kept twice.
    pub client_id: Option<String>,
}

struct Waiting {
    line: NewLine,
    answer: oneshot::Sender<Result<i64>>,
}

/// Takes lines of all rooms; clones share it. It ends with the last one.
#[derive(Clone, Debug)]
pub struct Writer(mpsc::Sender<Waiting>);

impl Writer {
    /// Begins to take lines.
    pub fn start(app: &App) -> Self {
        let (lines, waiting) = mpsc::channel(WAITING);
        tokio::spawn(run(app.clone(), waiting));
        Self(lines)
    }

    /// Keeps a line; answers its number once it is kept, also when it was before.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the course is gone, [`Error::Unavailable`] or [`Error::Down`] without a database.
    pub async fn say(&self, line: NewLine) -> Result<i64> {
        let (answer, number) = oneshot::channel();
        let stopped = || Error::Unavailable("This site is about to restart.".into());
        let waiting = Waiting { line, answer };
        self.0.send(waiting).await.map_err(|_| stopped())?;
        number.await.map_err(|_| stopped())?
    }
}

async fn run(app: App, mut waiting: mpsc::Receiver<Waiting>) {
    while let Some(first) = waiting.recv().await {
        let mut bytes = first.line.text.len();
        let mut batch = vec![first];
        while batch.len() < MOST_LINES && bytes < MOST_BYTES {
            let Ok(next) = waiting.try_recv() else { break };
            bytes += next.line.text.len();
            batch.push(next);
        }
        write(&app, batch).await;
    }
}

/// Writes lines of several rooms, and answers each.
async fn write(app: &App, batch: Vec<Waiting>) {
    let (mut rooms, mut answers) = (BTreeMap::<i64, Vec<NewLine>>::new(), BTreeMap::new());
    for Waiting { line, answer } in batch {
        let course_id = line.course_id;
        rooms.entry(course_id).or_default().push(line);
        answers
            .entry(course_id)
            .or_insert_with(Vec::new)
            .push(answer);
    }
    let mut numbers = match write_rooms(app, &rooms).await {
        Ok(numbers) => numbers.into_iter().map(|(id, of)| (id, Ok(of))).collect(),
        // What one room could not take shall not keep the others waiting.
        Err(_) if rooms.len() > 1 => one_by_one(app, rooms).await,
        Err(error) => rooms
            .into_keys()
            .map(|id| (id, Err(error.clone())))
            .collect(),
    };
    for (course_id, answers) in answers {
        let numbers = numbers.remove(&course_id);
        let numbers = numbers.unwrap_or_else(|| Err(Error::internal("a room was left out")));
        for (place, answer) in answers.into_iter().enumerate() {
            let number = match &numbers {
                Ok(numbers) => numbers.get(place).copied(),
                Err(error) => {
                    // Whoever asked may have gone; the line is kept or not all the same.
                    let _ = answer.send(Err(error.clone()));
                    continue;
                }
            };
            let _ = answer.send(number.ok_or_else(|| Error::internal("a line was left out")));
        }
    }
}

async fn one_by_one(
    app: &App,
    rooms: BTreeMap<i64, Vec<NewLine>>,
) -> BTreeMap<i64, Result<Vec<i64>>> {
    let mut outcomes = BTreeMap::new();
    for (course_id, lines) in rooms {
        let written = write_rooms(app, &BTreeMap::from([(course_id, lines)])).await;
        let numbers = written.map(|mut of| of.remove(&course_id).unwrap_or_default());
        outcomes.insert(course_id, numbers);
    }
    outcomes
}

/// Answers the numbers of the lines of each room. The rooms are held in the order of their numbers, so that no two nodes
/// wait for each other.
async fn write_rooms(
    app: &App,
    rooms: &BTreeMap<i64, Vec<NewLine>>,
) -> Result<BTreeMap<i64, Vec<i64>>> {
    let mut write = app.write().await?;
    let now = app.clock.now();
    let mut numbers = BTreeMap::new();
    for (course_id, lines) in rooms {
        numbers.insert(*course_id, add(&mut write, now, *course_id, lines).await?);
    }
    write.commit().await?;
    Ok(numbers)
}

async fn add(
    write: &mut Write,
    now: DateTime<Utc>,
    course_id: i64,
    lines: &[NewLine],
) -> Result<Vec<i64>> {
    let room = store::lock(write, course_id).await?;
    let mut known = store::known(write, course_id, lines).await?;
    let after = room.last;
    let mut told = Told {
        after,
        frames: Vec::new(),
        last: after,
    };
    let (mut rows, mut numbers) = (Vec::new(), Vec::new());
    for line in lines {
        let name = line.speaker.id.zip(line.client_id.clone());
        if let Some(number) = name.as_ref().and_then(|name| known.get(name)) {
            numbers.push(*number);
            continue;
        }
        told.last += 1;
        numbers.push(told.last);
        known.extend(name.map(|name| (name, told.last)));
        let row = row(line, told.last, now);
        told.frames.push(Frame::of_line(&row, &line.speaker));
        rows.push(row);
    }
    if rows.is_empty() {
        return Ok(numbers);
    }
    store::insert(write, &rows).await?;
    store::set_last(write, room, told.last).await?;
    write.publish(&group_of(course_id), &told).await?;
    Ok(numbers)
}

fn row(line: &NewLine, number: i64, now: DateTime<Utc>) -> chat_line::Model {
    chat_line::Model {
        course_id: line.course_id,
        id: number,
        user_id: line.speaker.id,
        text: line.text.clone(),
        client_id: line.client_id.clone(),
        changed: number,
        created_at: now,
        edited_at: None,
        deleted_at: None,
    }
}

/// Lets a line read otherwise, or, without a text, takes it back. Her own; the teacher and staff may delete every one.
///
/// # Errors
/// [`Error::NotFound`] when it is not there any more, [`Error::Forbidden`] when it is not hers.
pub async fn change(
    app: &App,
    course: &course::Model,
    (person_id, is_moderator): (i64, bool),
    line_id: i64,
    text: Option<String>,
) -> Result<()> {
    let mut write = app.write().await?;
    let room = store::lock(&write, course.id).await?;
    let line = store::find(&*write, course.id, line_id).await?;
    let line = line.ok_or(Error::NotFound)?;
    let is_hers = line.user_id == Some(person_id);
    if !is_hers && (text.is_some() || !is_moderator) {
        return Err(Error::forbidden());
    }
    let after = room.last;
    let last = after + 1;
    let line = store::change(&write, line, last, text, app.clock.now()).await?;
    store::set_last(&write, room, last).await?;
    let told = Told {
        after,
        frames: vec![Frame::of_change(&line)],
        last,
    };
    write.publish(&group_of(course.id), &told).await?;
    write.commit().await
}

/// The course of a room, as it is now.
pub async fn course_of(app: &App, course_id: i64) -> Result<Option<course::Model>> {
    let found = course::Entity::find_by_id(course_id);
    Ok(found.one(app.db.read()).await?)
}
