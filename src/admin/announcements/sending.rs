//! The job that tells everybody, a few people at a time. Cut off, it goes on after the last whom it told; told twice,
//! nobody hears it twice.

use super::{dedupe_key, store};
use crate::entities::announcement::AnnouncementState;
use crate::jobs::{Fault, Job, JobContext, JobError, PRIORITY_NORMAL};
use crate::messages::{self, MessageLevel, NewMessage};
use serde::{Deserialize, Serialize};

/// So many people are told in one transaction, during which on SQLite nobody else writes.
const AT_ONCE: u64 = 50;

/// Tells everybody whom an announcement is for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendAnnouncement {
    /// Which.
    pub id: i64,
}

impl Job for SendAnnouncement {
    const KIND: &'static str = "admin.send_announcement";

    fn priority(&self) -> i32 {
        PRIORITY_NORMAL
    }

    fn subject(&self) -> Option<String> {
        Some(format!("announcement:{}", self.id))
    }

    async fn run(self, context: JobContext) -> Result<(), JobError> {
        while self.tell_some(&context).await? {
            context.got_on();
            if context.canceled.is_cancelled() {
                return Err(JobError::CutOff);
            }
        }
        Ok(())
    }

    async fn give_up(self, context: JobContext, _: Fault) -> Result<(), JobError> {
        let write = context.app.write().await?;
        // The announcement before its job, as everywhere; what was stopped meanwhile is nothing to give up.
        let found = store::hold(&write, self.id).await?;
        context.hold(&write).await?;
        if found.is_some_and(|found| found.state == AnnouncementState::Sending) {
            store::set_state(&context.app, &write, self.id, AnnouncementState::Stopped).await?;
        }
        write.commit().await?;
        Ok(())
    }
}

impl SendAnnouncement {
    /// The announcement of a subject.
    pub fn of_subject(subject: &str) -> Option<i64> {
        subject.strip_prefix("announcement:")?.parse().ok()
    }

    /// Tells the next few; `false` when there is nobody left.
    async fn tell_some(&self, context: &JobContext) -> Result<bool, JobError> {
        let app = &context.app;
        let mut write = app.write().await?;
        let Some(found) = store::find(&*write, self.id).await? else {
            return Ok(false);
        };
        // Also when its job was put in line again by other ways than [`super::go_on_in`].
        if found.state != AnnouncementState::Sending {
            return Ok(false);
        }
        let next = store::list_recipients(&*write, &found, AT_ONCE).await?;
        for recipient_id in &next {
            let message = NewMessage {
                recipient_id: *recipient_id,
                text: found.text.clone(),
                level: MessageLevel::Info,
                link: found.link.clone(),
                dedupe_key: Some(dedupe_key(found.id)),
            };
            messages::send(app, &mut write, message).await?;
        }
        store::advance(app, &write, &found, &next).await?;
        // After the accounts, as everywhere.
        context.hold(&write).await?;
        if next.is_empty() {
            context.complete(write).await?;
            return Ok(false);
        }
        write.commit().await?;
        Ok(true)
    }
}
