//! What can be run, by name.

use super::{Fault, Job, JobContext, JobError, queue};
use crate::app::App;
use crate::db::Write;
use crate::error::Result;
use futures::future::BoxFuture;
use std::collections::HashMap;
use std::time::Duration;

type Run = fn(String, JobContext) -> BoxFuture<'static, Result<(), JobError>>;
type GiveUp = fn(String, JobContext, Fault) -> BoxFuture<'static, Result<(), JobError>>;
type Again = for<'a> fn(&'a App, &'a mut Write, String, Duration) -> BoxFuture<'a, Result<i64>>;

/// One kind of job.
pub(super) struct Kind {
    pub run: Run,
    pub put_off: Run,
    pub give_up: GiveUp,
    pub stall: Duration,
    pub schedule: Option<Schedule>,
}

/// How a kind comes back.
pub(super) struct Schedule {
    pub every: Duration,
    pub payload: String,
    pub enqueue: Again,
}

/// Every kind of job that this program can run.
#[derive(Default)]
pub struct Registry {
    pub(super) kinds: HashMap<&'static str, Kind>,
}

impl Registry {
    /// The names of all kinds: a worker leaves those that it does not know to one that does, for
    /// example while nodes are brought to a new version one after the other.
    pub fn names(&self) -> Vec<&'static str> {
        self.kinds.keys().copied().collect()
    }
}

/// Collects kinds for a [`Registry`].
#[derive(Default)]
pub struct RegistryBuilder(Registry);

impl RegistryBuilder {
    /// Adds a kind.
    #[must_use]
    pub fn job<J: Job>(mut self) -> Self {
        self.0.kinds.insert(
            J::KIND,
            Kind {
                run: run::<J>,
                put_off: put_off::<J>,
                give_up: give_up::<J>,
                stall: J::STALL,
                schedule: None,
            },
        );
        self
    }

    /// Adds a kind that comes back by itself.
    #[must_use]
    pub fn every<J: Job>(mut self, every: Duration, job: &J) -> Self {
        let payload = serde_json::to_string(job).unwrap_or_default();
        let schedule = Some(Schedule {
            every,
            payload,
            enqueue: enqueue_again::<J>,
        });
        self.0.kinds.insert(
            J::KIND,
            Kind {
                run: run::<J>,
                put_off: put_off::<J>,
                give_up: give_up::<J>,
                stall: J::STALL,
                schedule,
            },
        );
        self
    }

    /// The list.
    pub fn build(self) -> Registry {
        self.0
    }
}

fn read<J: Job>(payload: &str) -> Result<J, JobError> {
    serde_json::from_str(payload).map_err(|error| {
        JobError::GiveUp(Fault {
            words: "the site was changed in between".into(),
            detail: format!("payload: {error}"),
        })
    })
}

fn run<J: Job>(payload: String, context: JobContext) -> BoxFuture<'static, Result<(), JobError>> {
    Box::pin(async move { read::<J>(&payload)?.run(context).await })
}

fn put_off<J: Job>(
    payload: String,
    context: JobContext,
) -> BoxFuture<'static, Result<(), JobError>> {
    Box::pin(async move { read::<J>(&payload)?.put_off(context).await })
}

fn give_up<J: Job>(
    payload: String,
    context: JobContext,
    fault: Fault,
) -> BoxFuture<'static, Result<(), JobError>> {
    Box::pin(async move { read::<J>(&payload)?.give_up(context, fault).await })
}

fn enqueue_again<'a, J: Job>(
    app: &'a App,
    write: &'a mut Write,
    payload: String,
    wait: Duration,
) -> BoxFuture<'a, Result<i64>> {
    Box::pin(async move {
        let job = serde_json::from_str::<J>(&payload).map_err(crate::error::Error::internal)?;
        let wait = chrono::TimeDelta::from_std(wait).unwrap_or(chrono::TimeDelta::hours(1));
        queue::enqueue_at(app, write, &job, app.clock.now() + wait).await
    })
}
