//! Every kind of jobs: how many of it stand how, and who paused it.

use super::store::{self, Counted};
use super::words::{called, known};
use crate::entities::job::JobState;
use crate::error::Result;
use crate::jobs::{self, EVERY_KIND, Paused};
use sea_orm::ConnectionTrait;
use std::collections::{BTreeMap, BTreeSet};

/// A kind of jobs.
pub struct KindNow {
    /// Its name.
    pub kind: String,
    /// What it does, in words.
    pub called: String,
    /// How many wait.
    pub waiting: i64,
    /// How many run.
    pub running: i64,
    /// How many have failed.
    pub failed: i64,
    /// Who paused it, and when.
    pub paused: Option<Paused>,
}

/// Every kind that is known or has jobs, by name, and who paused all of them.
///
/// # Errors
/// When the database does not answer.
pub async fn list_kinds(db: &impl ConnectionTrait) -> Result<(Vec<KindNow>, Option<Paused>)> {
    let counts = store::count_kinds(db).await?;
    kinds_of(db, &counts).await
}

/// The same of counts that are known.
pub async fn kinds_of(
    db: &impl ConnectionTrait,
    counts: &[Counted],
) -> Result<(Vec<KindNow>, Option<Paused>)> {
    let paused = jobs::list_paused(db).await?.into_iter();
    let mut paused: BTreeMap<String, Paused> = paused.map(|one| (one.kind.clone(), one)).collect();
    let mut named: BTreeSet<String> = counts.iter().map(|(kind, ..)| kind.clone()).collect();
    named.extend(known().map(str::to_owned));
    let everything = paused.remove(EVERY_KIND);
    let kinds = named.into_iter().map(|kind| {
        let count = |state: JobState| {
            let of = counts
                .iter()
                .find(|(of, found, _)| *of == kind && *found == state);
            of.map_or(0, |(.., count)| *count)
        };
        KindNow {
            called: called(&kind).to_owned(),
            waiting: count(JobState::Waiting),
            running: count(JobState::Running),
            failed: count(JobState::Failed),
            paused: paused.remove(&kind),
            kind,
        }
    });
    Ok((kinds.collect(), everything))
}
