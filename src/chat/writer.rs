//! Lines of many written at once: while one transaction is on its way, what comes waits and goes into the next.
//!
//! So a line costs a transaction of its own in a quiet room, and a hundredth of one in a lively one. Changes of lines are
//! rare and are written one by one (`editing`).

use super::frames::{Frame, Quote, Speaker};
use super::mentions::{self, Notices, People};
use super::moderation::Gate;
use super::pictures::{NamedPicture, Pictures};
use super::reads;
use super::refusal::Refusal;
use super::store;
use super::store::acts;
use super::store::reads::{self as positions, Position};
use super::unread;
use crate::app::App;
use crate::db::Write;
use crate::entities::{chat_line, course};
use crate::error::{Error, Result};
use chrono::{DateTime, Utc};
use sea_orm::EntityTrait as _;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
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
    /// Who says it; she may come in.
    pub speaker: Arc<Speaker>,
    /// What holds in the room does not hold for her.
    pub is_moderator: bool,
    /// What, as `clean` leaves it.
    pub text: String,
    /// What its sender calls it: one that was kept under this name is not kept twice.
    pub client_id: Option<String>,
    /// The line that it answers.
    pub reply_to: Option<i64>,
    /// The pictures that it shows.
    pub pictures: Vec<NamedPicture>,
}

/// What became of a line: its number, or why it is not kept.
pub type Outcome = Result<i64, Refusal>;

struct Waiting {
    line: NewLine,
    answer: oneshot::Sender<Outcome>,
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
    /// Why it is not kept.
    pub async fn say(&self, line: NewLine) -> Outcome {
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

/// Lines by room.
type Rooms = BTreeMap<i64, Vec<NewLine>>;

/// What became of them, in their order.
type Outcomes = BTreeMap<i64, Vec<Outcome>>;

/// Writes lines of several rooms, and answers each.
async fn write(app: &App, batch: Vec<Waiting>) {
    let (mut rooms, mut answers) = (Rooms::new(), BTreeMap::new());
    for Waiting { line, answer } in batch {
        let course_id = line.course_id;
        rooms.entry(course_id).or_default().push(line);
        answers
            .entry(course_id)
            .or_insert_with(Vec::new)
            .push(answer);
    }
    let mut outcomes = match write_rooms(app, &rooms).await {
        Ok(outcomes) => outcomes,
        // What one room could not take shall not keep the others waiting.
        Err(error) if rooms.len() > 1 && !error.is_database_away() => one_by_one(app, &rooms).await,
        Err(error) => rooms
            .iter()
            .map(|(id, lines)| (*id, refused(&error, lines)))
            .collect(),
    };
    for (course_id, answers) in answers {
        let outcomes = outcomes.remove(&course_id).unwrap_or_default();
        let left_out = || Err(Error::internal("a line was left out").into());
        let outcomes = outcomes.into_iter().chain(std::iter::repeat_with(left_out));
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            // Whoever asked may have gone; the line is kept or not all the same.
            let _ = answer.send(outcome);
        }
    }
}

fn refused(error: &Error, lines: &[NewLine]) -> Vec<Outcome> {
    lines.iter().map(|_| Err(error.clone().into())).collect()
}

/// Whoever says something has read what stands above it, so that nobody is told of her own lines as unread.
fn read_by_speakers(rooms: &Rooms, outcomes: &Outcomes) -> Vec<Position> {
    let mut read: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    for (course_id, lines) in rooms {
        let of_room = outcomes.get(course_id).map_or(&[][..], Vec::as_slice);
        for (line, outcome) in lines.iter().zip(of_room) {
            let (Some(user_id), Ok(line_id)) = (line.speaker.id, outcome) else {
                continue;
            };
            let furthest = read.entry((user_id, *course_id)).or_default();
            *furthest = (*furthest).max(*line_id);
        }
    }
    let positions = read
        .into_iter()
        .map(|((user_id, course_id), line_id)| Position {
            user_id,
            course_id,
            line_id,
        });
    positions.collect()
}

async fn one_by_one(app: &App, rooms: &Rooms) -> Outcomes {
    let mut outcomes = Outcomes::new();
    for (course_id, lines) in rooms {
        let alone = Rooms::from([(*course_id, lines.clone())]);
        let written = write_rooms(app, &alone).await;
        let of_room = match written {
            Ok(mut of) => of.remove(course_id).unwrap_or_default(),
            Err(error) => refused(&error, lines),
        };
        outcomes.insert(*course_id, of_room);
    }
    outcomes
}

/// What becomes of the lines of each room. The rooms are held in the order of their numbers, and after them those to
/// whom is told that they are mentioned, so that no two nodes wait for each other.
async fn write_rooms(app: &App, rooms: &Rooms) -> Result<Outcomes> {
    let mut write = app.write().await?;
    let now = app.clock.now();
    let (mut outcomes, mut notices) = (Outcomes::new(), Notices::default());
    let students = students(&write, rooms).await?;
    for (course_id, lines) in rooms {
        let of_room = (*course_id, lines.as_slice());
        let of_room = add(&mut write, now, of_room, &students, &mut notices).await?;
        outcomes.insert(*course_id, of_room);
    }
    let read = read_by_speakers(rooms, &outcomes);
    positions::set(&write, &read).await?;
    unread::tell(&mut write, notices.user_ids()).await?;
    notices.send(app, &mut write).await?;
    write.commit().await?;
    reads::tell(app, &read, Some(app.bus.instance()));
    Ok(outcomes)
}

/// Who of those that speak, and are no moderators, studies the course now: courses and people, in one query. Somebody
/// may have left since she sent her line.
async fn students(write: &Write, rooms: &Rooms) -> Result<BTreeSet<(i64, i64)>> {
    let lines = rooms.values().flatten().filter(|line| !line.is_moderator);
    let speakers = lines.filter_map(|line| Some((line.course_id, line.speaker.id?)));
    store::studying(write, &speakers.collect()).await
}

/// What lines need to know of the course: only where one answers another, or mentions somebody; and their pictures.
struct Around {
    course: Option<course::Model>,
    people: People,
    quotes: HashMap<i64, Quote>,
    pictures: Pictures,
}

impl Around {
    async fn of(write: &Write, course_id: i64, lines: &[NewLine]) -> Result<Self> {
        let pictures = Pictures::of(write, course_id, lines).await?;
        let is_needed = |line: &NewLine| line.reply_to.is_some() || line.text.contains('@');
        let course = if lines.iter().any(is_needed) {
            course::Entity::find_by_id(course_id).one(&**write).await?
        } else {
            None
        };
        let Some(course) = course else {
            return Ok(Self {
                course: None,
                people: People::new(),
                quotes: HashMap::new(),
                pictures,
            });
        };
        let texts = lines.iter().map(|line| line.text.as_str());
        let answered = lines.iter().filter_map(|line| line.reply_to);
        Ok(Self {
            people: mentions::find(write, &course, texts).await?,
            quotes: store::quotes(&**write, &course, answered).await?,
            course: Some(course),
            pictures,
        })
    }

    /// Whether what this line answers is there, and what it shows.
    fn check(&self, line: &NewLine) -> Result<(), Refusal> {
        if let Some(id) = line.reply_to {
            let quote = self.quotes.get(&id);
            if quote.is_none_or(|quote| quote.message.is_none()) {
                return Err(Refusal::Gone);
            }
        }
        self.pictures.check(line)
    }

    /// A line that is kept under the number that comes next.
    fn keep(&mut self, told: &mut Told, line: &NewLine, now: DateTime<Utc>) -> Kept {
        told.last += 1;
        let (names, mentioned) = mentions::of(&line.text, &self.people);
        let row = row(line, told.last, now, names);
        let quote = line.reply_to.and_then(|id| self.quotes.get(&id));
        let pictures = self.pictures.take(line);
        let frame = Frame::of_line(&row, &line.speaker, quote, &pictures);
        told.frames.push(frame);
        Kept {
            row,
            mentioned,
            speaker: Arc::clone(&line.speaker),
            pictures: line.pictures.clone(),
        }
    }
}

/// A line that is about to be written.
struct Kept {
    row: chat_line::Model,
    speaker: Arc<Speaker>,
    mentioned: BTreeSet<i64>,
    pictures: Vec<NamedPicture>,
}

async fn add(
    write: &mut Write,
    now: DateTime<Utc>,
    (course_id, lines): (i64, &[NewLine]),
    students: &BTreeSet<(i64, i64)>,
    notices: &mut Notices,
) -> Result<Vec<Outcome>> {
    let room = store::lock(write, course_id).await?;
    let mut known = store::known(write, course_id, lines).await?;
    let mut gate = Gate::of(write, &room, lines, now).await?;
    let mut around = Around::of(write, course_id, lines).await?;
    let mut told = Told {
        after: room.last,
        frames: Vec::new(),
        last: room.last,
    };
    let (mut kept, mut outcomes) = (Vec::new(), Vec::new());
    for line in lines {
        let name = line.speaker.id.zip(line.client_id.clone());
        if let Some(number) = name.as_ref().and_then(|name| known.get(name)) {
            outcomes.push(Ok(*number));
            continue;
        }
        let allowed = is_here(line, students)
            .and_then(|()| around.check(line))
            .and_then(|()| gate.pass(line));
        if let Err(refusal) = allowed {
            outcomes.push(Err(refusal));
            continue;
        }
        kept.push(around.keep(&mut told, line, now));
        outcomes.push(Ok(told.last));
        known.extend(name.map(|name| (name, told.last)));
    }
    if kept.is_empty() {
        return Ok(outcomes);
    }
    insert(write, &around, &kept, notices).await?;
    acts::set_said(write, course_id, gate.said(), now).await?;
    store::set_last(write, room, told.last, Some((told.last, Some(now)))).await?;
    write.publish(&group_of(course_id), &told).await?;
    Ok(outcomes)
}

/// Whether who says it is still in the course.
fn is_here(line: &NewLine, students: &BTreeSet<(i64, i64)>) -> Result<(), Refusal> {
    let speaker = line.speaker.id.map(|id| (line.course_id, id));
    if line.is_moderator || speaker.is_some_and(|speaker| students.contains(&speaker)) {
        Ok(())
    } else {
        Err(Refusal::Forbidden("You are no longer in this course."))
    }
}

/// Writes lines with what they show, and to whom they are told.
async fn insert(
    write: &mut Write,
    around: &Around,
    kept: &[Kept],
    notices: &mut Notices,
) -> Result<()> {
    let rows: Vec<chat_line::Model> = kept.iter().map(|kept| kept.row.clone()).collect();
    store::insert(write, &rows).await?;
    for Kept { row, pictures, .. } in kept {
        let line = (row.course_id, row.id);
        store::pictures::set_line(write, line, pictures).await?;
    }
    let Some(course) = &around.course else {
        return Ok(());
    };
    for kept in kept {
        let of_line = (kept.row.id, &kept.mentioned);
        notices.add(write, course, &kept.speaker, of_line).await?;
    }
    Ok(())
}

fn row(
    line: &NewLine,
    number: i64,
    now: DateTime<Utc>,
    mentions: Option<String>,
) -> chat_line::Model {
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
        reply_to: line.reply_to,
        mentions,
    }
}

/// The course of a room, as it is now.
pub async fn course_of(app: &App, course_id: i64) -> Result<Option<course::Model>> {
    let found = course::Entity::find_by_id(course_id);
    Ok(found.one(app.db.read()).await?)
}
