//! The loop that takes jobs and runs them, and hands them back when the process stops.

use super::queue::{self, JobEvent};
use super::{Fault, GROUP, JobContext, JobError, Registry};
use crate::app::App;
use crate::entities::job;
use crate::error::{Error, Result};
use backends::bus::Delivery;
use futures::FutureExt as _;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often a worker looks by itself: for retries that are due and leases that ended.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often it sees to it that what comes back by itself is in line.
const SCHEDULE_EVERY: Duration = Duration::from_secs(60);

/// How often it tries to note the end of an attempt.
const END_TRIES: u32 = 10;

/// After so many attempts beyond the last a job is marked as given up although nobody could be told.
const TELL_TRIES: i32 = 3;

/// What a stopping worker still waits for.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

const NO_ANSWER: &str = "the database does not answer";

struct Worker {
    app: App,
    registry: Arc<Registry>,
    name: String,
    kinds: Vec<&'static str>,
    /// By number and fence: after a lost lease the same job may run here twice for a moment.
    running: Mutex<HashMap<(i64, i64), Running>>,
    /// When the schedule was last looked at, by the clock's steady time.
    schedule_seen: Mutex<Option<Duration>>,
}

/// A job that runs here.
struct Running {
    job: job::Model,
    canceled: CancellationToken,
}

/// Runs jobs until the site stops; then hands back what runs.
pub async fn work(app: App, registry: Arc<Registry>) {
    let slots = Arc::new(Semaphore::new(app.config.workers));
    let wake = Arc::new(Notify::new());
    let worker = Worker::new(app.clone(), registry);
    tracing::info!(worker = worker.name, slots = app.config.workers, "working");
    let listener = tokio::spawn(Arc::clone(&worker).listen(Arc::clone(&wake)));
    let jobs = TaskTracker::new();
    let mut is_down = false;
    while !app.stopping.is_cancelled() {
        let slot = tokio::select! {
            slot = Arc::clone(&slots).acquire_owned() => slot,
            () = app.stopping.cancelled() => break,
        };
        let taken = worker.take().await;
        note(&mut is_down, taken.as_ref().err());
        if let Ok(Some(job)) = taken {
            let worker = Arc::clone(&worker);
            jobs.spawn(async move {
                worker.run(job).await;
                drop(slot);
            });
        } else {
            drop(slot);
            wait(&app, &wake).await;
        }
    }
    listener.abort();
    jobs.close();
    if timeout(STOP_TIMEOUT, jobs.wait()).await.is_err() {
        worker.hand_back_rest().await;
    }
}

/// Logs the beginning and the end of a fault, once each.
fn note(is_down: &mut bool, error: Option<&Error>) {
    let was_down = std::mem::replace(is_down, error.is_some());
    match error {
        Some(error) if !was_down => {
            tracing::warn!(%error, "the queue cannot be read; trying again");
        }
        None if was_down => tracing::info!("the queue is read again"),
        _ => {}
    }
}

async fn wait(app: &App, wake: &Notify) {
    tokio::select! {
        () = wake.notified() => {}
        () = tokio::time::sleep(LOOK_EVERY) => {}
        () = app.stopping.cancelled() => {}
    }
}

/// Runs every job that is due now, and those that they enqueue, one after the other.
pub async fn drain(app: &App, registry: &Arc<Registry>) -> Result<usize> {
    let mut ran = 0;
    while drain_one(app, registry).await? {
        ran += 1;
    }
    Ok(ran)
}

/// Runs the next job that is due now; `false` when there is none.
pub async fn drain_one(app: &App, registry: &Arc<Registry>) -> Result<bool> {
    let worker = Worker::new(app.clone(), Arc::clone(registry));
    let Some(job) = queue::claim(app, &worker.name, &worker.kinds).await? else {
        return Ok(false);
    };
    worker.run(job).await;
    Ok(true)
}

impl Worker {
    fn new(app: App, registry: Arc<Registry>) -> Arc<Self> {
        let name = app.node.clone();
        Arc::new(Self {
            kinds: registry.names(),
            app,
            registry,
            name,
            running: Mutex::default(),
            schedule_seen: Mutex::default(),
        })
    }

    async fn take(&self) -> Result<Option<job::Model>> {
        self.keep_schedule().await?;
        if queue::is_due(&self.app, &self.kinds).await? {
            queue::claim(&self.app, &self.name, &self.kinds).await
        } else {
            Ok(None)
        }
    }

    /// Sees to it that what comes back by itself is in line.
    async fn keep_schedule(&self) -> Result<()> {
        let now = self.app.clock.monotonic();
        {
            let mut seen = self
                .schedule_seen
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if seen.is_some_and(|last| now.saturating_sub(last) < SCHEDULE_EVERY) {
                return Ok(());
            }
            *seen = Some(now);
        }
        for (kind, entry) in &self.registry.kinds {
            let Some(schedule) = &entry.schedule else {
                continue;
            };
            if queue::is_open(self.app.db.read(), kind).await? {
                continue;
            }
            let mut write = self.app.write().await?;
            write.alone("jobs: schedule").await?;
            if !queue::is_open(&*write, kind).await? {
                (schedule.enqueue)(
                    &self.app,
                    &mut write,
                    schedule.payload.clone(),
                    schedule.every,
                )
                .await?;
                write.commit().await?;
            }
        }
        Ok(())
    }

    async fn listen(self: Arc<Self>, wake: Arc<Notify>) {
        let mut events = self.app.bus.subscribe(GROUP);
        while let Some(delivery) = events.recv().await {
            if let Delivery::Event(event) = delivery
                && let Ok(JobEvent::Canceled { id }) = event.decode()
            {
                let running = self.running();
                let canceled = running.values().filter(|running| running.job.id == id);
                canceled.for_each(|running| running.canceled.cancel());
            }
            wake.notify_one();
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<(i64, i64), Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(&self, job: job::Model) {
        let context = JobContext {
            app: self.app.clone(),
            id: job.id,
            fence: job.fence,
            attempt: job.attempts,
            canceled: self.app.stopping.child_token(),
            is_complete: Arc::default(),
            got_on_at: Arc::default(),
        };
        context.got_on();
        let key = (job.id, job.fence);
        let running = Running {
            job: job.clone(),
            canceled: context.canceled.clone(),
        };
        self.running().insert(key, running);
        let heartbeat = tokio::spawn(renew(context.clone()));
        let outcome = self.attempt(&job, &context).await;
        self.end(&job, &context, &outcome).await;
        heartbeat.abort();
        self.running().remove(&key);
    }

    /// Notes how an attempt ended; a database that is away for some seconds is waited for, so that
    /// hours of work are not done again.
    async fn end(&self, job: &job::Model, context: &JobContext, outcome: &Result<(), JobError>) {
        for tries in 1.. {
            let Err(error) = self.settle(job, context, outcome).await else {
                return;
            };
            if tries == END_TRIES || self.app.stopping.is_cancelled() {
                tracing::error!(%error, job = job.id, kind = job.kind, "the end of a job could not be noted; its lease will end");
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.app.stopping.cancelled() => {}
            }
        }
    }

    /// Hands back jobs that do not listen. What they still write does not count: they no longer hold
    /// their lease.
    async fn hand_back_rest(&self) {
        let rest: Vec<job::Model> = self.running().values().map(|r| r.job.clone()).collect();
        for job in rest {
            match queue::hand_back(&self.app, &job).await {
                Ok(()) => tracing::warn!(
                    job = job.id,
                    kind = job.kind,
                    "job did not stop in time and was handed back"
                ),
                Err(error) => {
                    tracing::warn!(%error, job = job.id, kind = job.kind, "job could not be handed back; its lease will end");
                }
            }
        }
    }

    async fn attempt(&self, job: &job::Model, context: &JobContext) -> Result<(), JobError> {
        let Some(kind) = self.registry.kinds.get(job.kind.as_str()) else {
            let detail = format!("no such kind: {}", job.kind);
            return Err(JobError::GiveUp(Fault {
                words: "the site was changed in between".into(),
                detail,
            }));
        };
        if job.attempts > job.max_attempts {
            let detail = format!(
                "given up after {} attempts; last: {:?}",
                job.max_attempts, job.fault
            );
            return Err(JobError::GiveUp(Fault {
                words: "it was tried several times and never finished".into(),
                detail,
            }));
        }
        tracing::info!(
            job = job.id,
            kind = job.kind,
            attempt = job.attempts,
            "job begun"
        );
        let running = AssertUnwindSafe((kind.run)(job.payload.clone(), context.clone()));
        tokio::select! {
            outcome = running.catch_unwind() => {
                outcome.unwrap_or_else(|_| Err(JobError::Retry("the job panicked".into())))
            }
            // Dropping it ends the programs that it started.
            () = context.stalled(kind.stall) => Err(JobError::Stalled),
        }
    }

    /// Puts an attempt off that did not get on.
    async fn put_off(&self, job: &job::Model, context: &JobContext) -> Result<()> {
        const REASON: &str = "it did not get on, and was ended";
        if job.attempts >= job.max_attempts {
            let words = "it was tried several times, and came to a halt each time".to_owned();
            let detail = REASON.to_owned();
            return self.give_up(job, context, &Fault { words, detail }).await;
        }
        tracing::warn!(
            job = job.id,
            kind = job.kind,
            attempt = job.attempts,
            "a job did not get on and was ended; it will be tried again"
        );
        if let Some(kind) = self.registry.kinds.get(job.kind.as_str()) {
            let telling = (kind.put_off)(job.payload.clone(), context.clone());
            if let Err(error) = telling.await {
                tracing::warn!(%error, job = job.id, "that a job waits again could not be noted");
            }
        }
        queue::retry_later(&self.app, job, REASON).await
    }

    async fn settle(
        &self,
        job: &job::Model,
        context: &JobContext,
        outcome: &Result<(), JobError>,
    ) -> Result<()> {
        let is_complete = context
            .is_complete
            .load(std::sync::atomic::Ordering::Acquire);
        match outcome {
            _ if is_complete => tracing::info!(job = job.id, kind = job.kind, "job done"),
            Ok(()) => {
                let write = self.app.write().await?;
                if queue::finish(&self.app, &write, job.id, job.fence).await? {
                    write.commit().await?;
                    tracing::info!(job = job.id, kind = job.kind, "job done");
                }
            }
            Err(_) if self.app.stopping.is_cancelled() => {
                queue::hand_back(&self.app, job).await?;
                tracing::info!(job = job.id, kind = job.kind, "job handed back");
            }
            Err(JobError::CutOff) => tracing::info!(job = job.id, kind = job.kind, "job cut off"),
            Err(JobError::Retry(reason)) if job.attempts < job.max_attempts => {
                tracing::warn!(
                    job = job.id,
                    kind = job.kind,
                    attempt = job.attempts,
                    reason,
                    "job will be tried again"
                );
                queue::retry_later(&self.app, job, reason).await?;
            }
            Err(JobError::Retry(reason)) => {
                let words = "it was tried several times and never finished".to_owned();
                let detail = reason.clone();
                self.give_up(job, context, &Fault { words, detail }).await?;
            }
            Err(JobError::Stalled) => self.put_off(job, context).await?,
            Err(JobError::GiveUp(fault)) => self.give_up(job, context, fault).await?,
        }
        Ok(())
    }

    /// Tells those whom it concerns and then marks the job, so that nobody misses a failure; telling
    /// bears being done twice. When nobody can be told the job is kept in line for some more attempts.
    async fn give_up(&self, job: &job::Model, context: &JobContext, fault: &Fault) -> Result<()> {
        tracing::warn!(
            job = job.id,
            kind = job.kind,
            detail = fault.detail,
            "job given up"
        );
        let told = self.tell(job, context, fault).await;
        if matches!(told, Err(JobError::CutOff)) {
            // It was canceled meanwhile, or somebody else has it now: it is for them to tell.
            return Ok(());
        }
        if let Err(error) = told {
            tracing::error!(%error, job = job.id, "nobody could be told of a job that was given up");
            if job.attempts < job.max_attempts.saturating_add(TELL_TRIES) {
                return queue::retry_later(&self.app, job, &fault.detail).await;
            }
        }
        queue::fail(&self.app, job, fault).await?;
        Ok(())
    }

    async fn tell(
        &self,
        job: &job::Model,
        context: &JobContext,
        fault: &Fault,
    ) -> Result<(), JobError> {
        let Some(kind) = self.registry.kinds.get(job.kind.as_str()) else {
            return Ok(());
        };
        let telling = (kind.give_up)(job.payload.clone(), context.clone(), fault.clone());
        let told = AssertUnwindSafe(telling).catch_unwind().await;
        told.unwrap_or_else(|_| Err(JobError::Retry("telling panicked".into())))
    }
}

/// Renews the lease until the job ends; cancels it when the lease is lost.
async fn renew(context: JobContext) {
    let every = Duration::from_secs(context.app.config.lease_seconds).div_f64(3.0);
    loop {
        tokio::time::sleep(every).await;
        // One renewal without an answer shall not cost the next.
        let renewed = timeout(every, queue::renew(&context.app, context.id, context.fence)).await;
        match renewed.unwrap_or_else(|_| Err(Error::Unavailable(NO_ANSWER.into()))) {
            Ok(true) => {}
            Ok(false) => return context.canceled.cancel(),
            Err(error) => tracing::warn!(%error, job = context.id, "a lease could not be renewed"),
        }
    }
}
