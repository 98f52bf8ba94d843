//! The queries of the pages about jobs.

use super::acts::Act;
use crate::admin::announcements::SendAnnouncement;
use crate::admin::table::containing;
use crate::entities::job::{self, JobState};
use crate::entities::user;
use crate::error::Result;
use crate::jobs::Job as _;
use crate::web::paging::Paging;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Condition, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Select,
};
use std::collections::HashMap;

/// Jobs on a page.
const PAGE: u64 = 50;

/// Which jobs are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// How they stand.
    pub state: Option<JobState>,
    /// What they do.
    pub kind: Option<String>,
    /// Words in their fault, the name of their owner, or what they work on; or their number.
    pub words: String,
    /// What is to be done with them: then only those with which it can be.
    pub act: Option<Act>,
}

impl Wanted {
    fn condition(&self) -> Condition {
        let mut all = Condition::all();
        if let Some(state) = self.state {
            all = all.add(job::Column::State.eq(state));
        }
        if let Some(kind) = &self.kind {
            all = all.add(job::Column::Kind.eq(kind.as_str()));
        }
        match self.act {
            Some(Act::Retry) => {
                let is_put_off = Condition::all()
                    .add(job::Column::State.eq(JobState::Waiting))
                    .add(job::Column::Fault.is_not_null());
                let is_over = job::Column::State.is_in([JobState::Failed, JobState::Canceled]);
                // As `may_retry` of the rows.
                let is_withdrawn = Condition::all()
                    .add(job::Column::State.eq(JobState::Canceled))
                    .add(job::Column::Kind.eq(SendAnnouncement::KIND));
                all = all
                    .add(Condition::any().add(is_over).add(is_put_off))
                    .add(is_withdrawn.not());
            }
            Some(Act::Cancel) => {
                all = all.add(job::Column::State.is_in([JobState::Waiting, JobState::Running]));
            }
            None => {}
        }
        let words = self.words.trim();
        if !words.is_empty() {
            all = all.add(found_by(words));
        }
        all
    }

    fn select(&self) -> Select<job::Entity> {
        job::Entity::find().filter(self.condition())
    }
}

fn found_by(words: &str) -> Condition {
    let owners = Query::select()
        .column(user::Column::Id)
        .from(user::Entity)
        .and_where(containing(user::Column::Username, words))
        .to_owned();
    let mut any = Condition::any()
        .add(containing(job::Column::Fault, words))
        .add(containing(job::Column::Kind, words))
        .add(job::Column::Subject.eq(words))
        .add(job::Column::OwnerId.in_subquery(owners));
    if let Ok(id) = words.trim_start_matches('#').parse::<i64>() {
        any = any.add(job::Column::Id.eq(id));
    }
    any
}

/// One page of jobs: what waits in the order in which it runs, all others by when they last changed.
pub async fn list(
    db: &impl ConnectionTrait,
    wanted: &Wanted,
    page: Option<u64>,
) -> Result<(Paging, Vec<job::Model>)> {
    let select = wanted.select();
    let paging = Paging::new(page, PAGE, select.clone().count(db).await?);
    let ordered = if wanted.state == Some(JobState::Waiting) {
        select.order_by_asc(job::Column::Turn)
    } else {
        select.order_by_desc(job::Column::UpdatedAt)
    };
    let rows = ordered
        .order_by_asc(job::Column::Id)
        .offset(paging.offset())
        .limit(paging.size)
        .all(db)
        .await?;
    Ok((paging, rows))
}

/// The numbers of the jobs that are asked for, the oldest first, at most so many.
pub async fn list_ids(db: &impl ConnectionTrait, wanted: &Wanted, most: u64) -> Result<Vec<i64>> {
    let ids = wanted
        .select()
        .select_only()
        .column(job::Column::Id)
        .order_by_asc(job::Column::Id)
        .limit(most)
        .into_tuple();
    Ok(ids.all(db).await?)
}

/// How many jobs of a kind are in a state: `(kind, state, count)`.
pub type Counted = (String, JobState, i64);

/// How many jobs there are of each kind in each state. It looks at the whole table: once a page.
pub async fn count_kinds(db: &impl ConnectionTrait) -> Result<Vec<Counted>> {
    let counts = job::Entity::find()
        .select_only()
        .column(job::Column::Kind)
        .column(job::Column::State)
        .column_as(job::Column::Id.count(), "jobs")
        .group_by(job::Column::Kind)
        .group_by(job::Column::State)
        .into_tuple();
    Ok(counts.all(db).await?)
}

/// The jobs that failed since a time, newest first, at most so many; and how many there are.
pub async fn list_failed(
    db: &impl ConnectionTrait,
    since: DateTime<Utc>,
    most: u64,
) -> Result<(u64, Vec<job::Model>)> {
    let failed = job::Entity::find()
        .filter(job::Column::State.eq(JobState::Failed))
        .filter(job::Column::UpdatedAt.gte(since));
    let count = failed.clone().count(db).await?;
    let rows = failed
        .order_by_desc(job::Column::UpdatedAt)
        .order_by_desc(job::Column::Id)
        .limit(most);
    Ok((count, rows.all(db).await?))
}

/// The names of these people.
pub async fn names(db: &impl ConnectionTrait, ids: &[i64]) -> Result<HashMap<i64, String>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let people = user::Entity::find()
        .filter(user::Column::Id.is_in(ids.iter().copied()))
        .all(db)
        .await?;
    let named = people.into_iter().map(|person| {
        let name = if person.name.is_empty() {
            person.username
        } else {
            person.name
        };
        (person.id, name)
    });
    Ok(named.collect())
}
