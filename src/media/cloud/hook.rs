//! Where Amazon SNS posts what it has to tell (`/hooks/transcode/`).
//!
//! No person is behind it: neither session nor CSRF token is asked for, the signature is the proof. Nothing is
//! fetched before the topic is known to be ours.

use super::notice::Notice;
use super::{follow, store};
use crate::app::App;
use crate::error::{Error, Result};
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use backends::sns::{Confirmed, Kind, Message, SnsError};
use std::sync::Arc;

/// SNS publishes up to 256 kB; in JSON inside of JSON each of them may take four.
const MOST_BYTES: usize = 1024 * 1024;

/// What kind of message it is, said again in a header.
const KIND_HEADER: &str = "x-amz-sns-message-type";

const STRANGE_TOPIC: &str = "This site does not listen to this topic.";
const NOT_BELIEVED: &str = "The signature of this message does not hold.";
const LATER: &str = "This message cannot be checked just now. Please deliver it again.";

/// Takes a message. In this order: no topics configured 404, too large 413, unreadable 400, another's topic 403,
/// signature 403; then 200, whatever it says, and a message that was heeded before changes nothing.
pub async fn receive(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<&'static str> {
    if app.config.sns_topics.is_empty() {
        return Err(Error::NotFound);
    }
    let bytes = axum::body::to_bytes(body, MOST_BYTES)
        .await
        .map_err(|_| Error::TooLarge("A message of SNS has up to 1 MB.".into()))?;
    let (message, notice) = read(&headers, &bytes).map_err(Error::BadRequest)?;
    // A certificate may be waited for: what was read is enough to hold.
    drop(bytes);
    if !app.config.sns_topics.contains(&message.topic_arn) {
        return Err(Error::Forbidden(STRANGE_TOPIC));
    }
    let verified = app.sns.verify(&message, app.clock.now()).await;
    verified.map_err(|error| refuse(error, &message))?;
    match message.kind {
        Kind::Notification => heed(&app, &message, notice).await?,
        Kind::SubscriptionConfirmation => confirm(&app, &message).await?,
        Kind::UnsubscribeConfirmation => {
            tracing::warn!(
                topic = message.topic_arn,
                "SNS tells that it sends no more of a topic"
            );
        }
    }
    Ok("OK")
}

/// What was posted, and what it says of a job.
fn read(headers: &HeaderMap, body: &[u8]) -> Result<(Message, Option<Notice>), String> {
    let message = Message::read(body)?;
    let header = headers.get(KIND_HEADER);
    if header.is_some_and(|header| header.as_bytes() != message.kind.name().as_bytes()) {
        return Err(format!(
            "The header {KIND_HEADER} says something else than Type."
        ));
    }
    let notice = match message.kind {
        Kind::Notification => Notice::read(&message.text)?,
        _ => None,
    };
    Ok((message, notice))
}

/// Why goes to the log: whoever posts learns only that it is not believed.
fn refuse(error: SnsError, message: &Message) -> Error {
    match error {
        SnsError::Untrusted(why) => {
            tracing::warn!(
                topic = message.topic_arn,
                why,
                "a message of SNS is not believed"
            );
            Error::Forbidden(NOT_BELIEVED)
        }
        later @ SnsError::Later(_) => Error::Down {
            words: LATER,
            cause: Arc::new(later),
        },
    }
}

/// Message and what it changes are noted together, so that one which is cut off is heeded when it comes again.
async fn heed(app: &App, message: &Message, notice: Option<Notice>) -> Result<()> {
    let mut write = app.write().await?;
    if !store::heed(app, &write, &message.topic_arn, &message.message_id).await? {
        tracing::debug!(message = message.message_id, "a message of SNS came again");
        return Ok(());
    }
    if let Some(notice) = notice {
        follow::follow(app, &mut write, &notice).await?;
    }
    write.commit().await
}

async fn confirm(app: &App, message: &Message) -> Result<()> {
    let (topic, id) = (&message.topic_arn, &message.message_id);
    if store::is_heeded(app.db.read(), topic, id).await? {
        return Ok(());
    }
    let confirmed = app.sns.confirm(message).await;
    match confirmed.map_err(|error| refuse(error, message))? {
        Confirmed::Yes => tracing::info!(topic, "the subscription is confirmed"),
        Confirmed::NoMore => tracing::warn!(
            topic,
            "the subscription could not be confirmed: its link works no more; subscribe again"
        ),
    }
    let write = app.write().await?;
    store::heed(app, &write, topic, id).await?;
    write.commit().await
}
