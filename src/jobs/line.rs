//! The order of the line: who runs before whom.
//!
//! The line has rounds, and a job joins it in the round that is on now. How many rounds it stands back
//! tells its turn: short work one, long work up to sixteen; and one more for each job of the same person that is
//! open already and no longer, so that her hundredth file lets everybody's first go before it. The round moves on
//! with the jobs that are begun, never back. A job that stands back for sixteen rounds is therefore passed by those
//! who come in the next fifteen, of each person one of each length a round, and by nobody after them: no job waits
//! for ever. (Start-time fair queuing: Goyal, Vin and Cheng, SIGCOMM 1996, with the round moving by at least one a
//! job; docs/decisions/0008.)
//!
//! The turn is one number, written when the job joins: taking the next job is a step in an index, and the place in
//! line is what stands before it in the same index.

use super::{Job, PRIORITY_LATER, PRIORITY_SOON};
use crate::db::Write;
use crate::entities::job::{self, JobState};
use crate::entities::job_line;
use crate::error::Result;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use std::collections::HashMap;

/// The one row of `job_line`.
const LINE: i32 = 1;

/// Turns within one round: those who have fewer open jobs go first.
const TURNS: i64 = 1_000;

/// Places are counted up to this one: further back it is "in line".
const PLACES: u64 = 1_000;

/// Where a job stands in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// The round in which it would begin if it stood back for nobody.
    pub round: i64,
    /// Its turn: smaller runs first.
    pub turn: i64,
}

/// Where a job stands that joins the line in the round `now`, while `open` others of the same person wait or run.
fn standing(now: i64, priority: i32, open: i64) -> Standing {
    let round = now.saturating_add(open);
    let last = round.saturating_add(priority.clamp(PRIORITY_SOON, PRIORITY_LATER).into());
    let among = open.clamp(0, TURNS - 1);
    Standing {
        round,
        turn: last.saturating_mul(TURNS).saturating_add(among),
    }
}

/// Where a job stands that joins now.
pub(super) async fn join(write: &Write, priority: i32, owner_id: Option<i64>) -> Result<Standing> {
    let line = job_line::Entity::find_by_id(LINE).one(&**write).await?;
    let open = match owner_id {
        Some(owner_id) => count_open(write, owner_id, priority).await?,
        None => 0,
    };
    Ok(standing(line.map_or(0, |line| line.round), priority, open))
}

/// Her longer ones do not count: a picture need not wait for the film that she sent before it.
async fn count_open(write: &Write, owner_id: i64, priority: i32) -> Result<i64> {
    let open = job::Entity::find()
        .filter(job::Column::OwnerId.eq(owner_id))
        .filter(job::Column::Priority.lte(priority))
        .filter(job::Column::State.is_in([JobState::Waiting, JobState::Running]));
    Ok(i64::try_from(open.count(&**write).await?).unwrap_or(i64::MAX))
}

/// A job is begun: the round moves on.
pub(super) async fn advance(write: &Write, begun: &job::Model) -> Result<()> {
    let next = begun.round.saturating_add(1);
    job_line::Entity::update_many()
        .col_expr(job_line::Column::Round, Expr::value(next))
        .filter(job_line::Column::Id.eq(LINE))
        .filter(job_line::Column::Round.lt(next))
        .exec(&**write)
        .await?;
    Ok(())
}

/// Somebody watches a page that shows what these jobs work on: each stands back half as far as before. Asked again,
/// nothing changes. Answers how many came forward.
pub async fn bring_forward(write: &Write, owner_id: i64, subjects: &[String]) -> Result<u64> {
    // Held in the order of their numbers, as everywhere.
    let hers: Vec<i64> = job::Entity::find()
        .select_only()
        .column(job::Column::Id)
        .filter(job::Column::Subject.is_in(subjects.iter().map(String::as_str)))
        .filter(job::Column::OwnerId.eq(owner_id))
        .filter(job::Column::State.eq(JobState::Waiting))
        .filter(job::Column::IsAwaited.eq(false))
        .order_by_asc(job::Column::Id)
        .lock_exclusive()
        .into_tuple()
        .all(&**write)
        .await?;
    let half = || Expr::col(job::Column::Priority).div(2);
    let forward = job::Entity::update_many()
        .col_expr(
            job::Column::Turn,
            Expr::col(job::Column::Turn).sub(half().mul(TURNS)),
        )
        .col_expr(
            job::Column::Priority,
            Expr::col(job::Column::Priority).sub(half()),
        )
        .col_expr(job::Column::IsAwaited, Expr::value(true))
        .filter(job::Column::Id.is_in(hers))
        .filter(job::Column::State.eq(JobState::Waiting));
    Ok(forward.exec(&**write).await?.rows_affected)
}

/// The place in line, from 1, of each of these subjects that waits for a job of this kind. Subjects that wait to be
/// tried again have none, nor have those behind the first thousand: however long the line, no more of it is read.
pub async fn places_in_line<J: Job>(
    db: &impl ConnectionTrait,
    subjects: &[String],
) -> Result<HashMap<String, i64>> {
    let mine: Vec<(String, i64, i64)> = waiting::<J>()
        .column(job::Column::Subject)
        .column(job::Column::Turn)
        .column(job::Column::Id)
        .filter(job::Column::Subject.is_in(subjects.iter().map(String::as_str)))
        .into_tuple()
        .all(db)
        .await?;
    let Some(last) = mine.iter().map(|(_, turn, id)| (*turn, *id)).max() else {
        return Ok(HashMap::new());
    };
    let before: Vec<(i64, i64)> = waiting::<J>()
        .column(job::Column::Turn)
        .column(job::Column::Id)
        .filter(not_after(last))
        .order_by_asc(job::Column::Turn)
        .order_by_asc(job::Column::Id)
        .limit(PLACES)
        .into_tuple()
        .all(db)
        .await?;
    let places = mine.into_iter().filter_map(|(subject, turn, id)| {
        let at = before.binary_search(&(turn, id)).ok()?;
        Some((subject, i64::try_from(at).ok()?.saturating_add(1)))
    });
    Ok(places.collect())
}

/// The subjects of the jobs of this kind that run next, at most so many.
pub async fn list_next<J: Job>(db: &impl ConnectionTrait, most: u64) -> Result<Vec<String>> {
    let next: Vec<Option<String>> = waiting::<J>()
        .column(job::Column::Subject)
        .order_by_asc(job::Column::Turn)
        .order_by_asc(job::Column::Id)
        .limit(most)
        .into_tuple()
        .all(db)
        .await?;
    Ok(next.into_iter().flatten().collect())
}

/// Jobs of this kind that wait for their first or next turn, and not for the time to try again.
fn waiting<J: Job>() -> sea_orm::Select<job::Entity> {
    job::Entity::find()
        .select_only()
        .filter(job::Column::State.eq(JobState::Waiting))
        .filter(job::Column::Kind.eq(J::KIND))
        .filter(job::Column::Fault.is_null())
}

fn not_after((turn, id): (i64, i64)) -> Condition {
    let same = Condition::all()
        .add(job::Column::Turn.eq(turn))
        .add(job::Column::Id.lte(id));
    Condition::any().add(job::Column::Turn.lt(turn)).add(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of files: `(owner, priority)`, each taken as soon as the one before it is begun.
    struct Line {
        round: i64,
        waiting: Vec<(i64, usize, &'static str, i32, Standing)>,
        joined: usize,
    }

    impl Line {
        fn new() -> Self {
            Self {
                round: 0,
                waiting: Vec::new(),
                joined: 0,
            }
        }

        fn join(&mut self, owner: &'static str, priority: i32) {
            let waiting = self.waiting.iter();
            let open = waiting.filter(|(_, _, of, length, _)| *of == owner && *length <= priority);
            let open = i64::try_from(open.count()).unwrap();
            let found = standing(self.round, priority, open);
            let entry = (found.turn, self.joined, owner, priority, found);
            self.waiting.push(entry);
            self.joined += 1;
        }

        fn take(&mut self) -> &'static str {
            self.waiting.sort_by_key(|(turn, id, ..)| (*turn, *id));
            let (_, _, owner, _, found) = self.waiting.remove(0);
            self.round = Ord::max(self.round, found.round + 1);
            owner
        }
    }

    #[test]
    fn short_files_go_before_long_ones_also_of_the_same_person() {
        let mut line = Line::new();
        line.join("ana", 16);
        line.join("ben", 2);
        line.join("ana", 1);
        let order = [line.take(), line.take(), line.take()];
        assert_eq!(order, ["ana", "ben", "ana"]);
    }

    #[test]
    fn a_hundred_files_of_one_person_let_everybody_elses_first_go_before_their_second() {
        let mut line = Line::new();
        for _ in 0..100 {
            line.join("ana", 1);
        }
        line.join("ben", 1);
        line.join("cleo", 1);
        let order: Vec<_> = (0..4).map(|_| line.take()).collect();
        assert_eq!(order, ["ana", "ben", "cleo", "ana"]);
        // Later, with most of the hundred still in line, it is the same.
        for _ in 0..40 {
            line.take();
        }
        line.join("dan", 1);
        assert_eq!([line.take(), line.take()], ["dan", "ana"]);
    }

    #[test]
    fn two_who_send_many_take_turns() {
        let mut line = Line::new();
        for _ in 0..3 {
            line.join("ana", 2);
        }
        for _ in 0..3 {
            line.join("ben", 2);
        }
        let order: Vec<_> = (0..6).map(|_| line.take()).collect();
        assert_eq!(order, ["ana", "ben", "ana", "ben", "ana", "ben"]);
    }

    #[test]
    fn a_long_file_is_not_passed_for_ever() {
        let mut line = Line::new();
        line.join("a long film", PRIORITY_LATER);
        let mut passed = 0;
        loop {
            line.join("somebody new each time", PRIORITY_SOON);
            if line.take() == "a long film" {
                break;
            }
            passed += 1;
            assert!(passed < 20, "it is passed again and again");
        }
        assert_eq!(passed, 15);
    }

    #[test]
    fn priorities_from_before_stand_back_no_further_than_the_last() {
        assert_eq!(standing(5, 90, 0), standing(5, PRIORITY_LATER, 0));
        assert_eq!(standing(5, -3, 0), standing(5, PRIORITY_SOON, 0));
        assert!(standing(i64::MAX, 16, i64::MAX).turn > 0);
    }
}
