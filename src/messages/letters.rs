//! Letters by mail: put in line in the transaction that needs them, sent by a worker, tried again while the mail server
//! does not answer. A letter that lies in line holds no secret; whose letter does sends it itself, by [`deliver`].

use crate::app::App;
use crate::db::Write;
use crate::entities::user;
use crate::error::Result;
use crate::jobs::{self, Fault, Job, JobContext, JobError, PRIORITY_SOON};
use backends::mail::{Letter, MailError};
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};

/// A letter to be sent.
#[derive(Debug, Serialize, Deserialize)]
pub struct SendLetter {
    to: String,
    subject: String,
    text: String,
}

impl Job for SendLetter {
    const KIND: &'static str = "send_letter";
    /// Two and a half hours: a mail server that is being mended.
    const MAX_ATTEMPTS: i32 = 8;

    fn priority(&self) -> i32 {
        PRIORITY_SOON
    }

    async fn run(self, context: JobContext) -> Result<(), JobError> {
        let letter = Letter {
            to: self.to,
            subject: self.subject,
            text: self.text,
        };
        deliver(&context.app, letter).await
    }
}

/// Puts a letter to somebody in line, when the site sends mail and she has given an address.
///
/// # Errors
/// When the database does not answer.
pub async fn write_letter(
    app: &App,
    write: &mut Write,
    user_id: i64,
    subject: &str,
    text: &str,
) -> Result<()> {
    if !app.config.sends_mail() {
        return Ok(());
    }
    let account = user::Entity::find_by_id(user_id).one(&**write).await?;
    match account {
        Some(account) if account.is_active => {
            write_letter_to(app, write, &account.email, subject, text).await
        }
        _ => Ok(()),
    }
}

/// The same to an address, which may be empty.
///
/// # Errors
/// When the database does not answer.
pub async fn write_letter_to(
    app: &App,
    write: &mut Write,
    address: &str,
    subject: &str,
    text: &str,
) -> Result<()> {
    if !app.config.sends_mail() || address.is_empty() {
        return Ok(());
    }
    let letter = SendLetter {
        to: address.to_owned(),
        subject: subject.to_owned(),
        text: text.to_owned(),
    };
    jobs::enqueue(app, write, &letter).await?;
    Ok(())
}

/// Sends a letter now, within a job.
///
/// # Errors
/// [`JobError::GiveUp`] when there is no such addressee or the site sends no mail, else [`JobError::Retry`].
pub async fn deliver(app: &App, letter: Letter) -> Result<(), JobError> {
    app.mail.send(letter).await.map_err(|error| refused(&error))
}

fn refused(error: &MailError) -> JobError {
    if error.is_permanent() {
        JobError::GiveUp(Fault {
            words: "The letter could not be sent: its address is refused.".into(),
            detail: error.to_string(),
        })
    } else {
        JobError::Retry(error.to_string())
    }
}
