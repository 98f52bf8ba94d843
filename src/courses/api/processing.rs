//! The newest file of a content, for whoever manages its course: tried again, or stopped. It may belong to somebody else,
//! such as the teacher before.

use super::authoring::HERS;
use super::contents::find_content;
use crate::courses::moves::processed;
use crate::error::Result;
use crate::holds;
use crate::media::{self, UPLOAD, UploadRow};
use crate::web::rest::{Answer, Call, Operation, Resource, Rule, declared};
use axum::http::{Method, StatusCode};

const MAY_CHANGE: Rule = Rule::All(&[holds!(CHANGE_CONTENT), HERS]);

/// Adds to the contents what becomes of their files.
pub fn with_processing(contents: Resource) -> Resource {
    contents
        .action(
            "retry",
            "Retry",
            "Processes the newest file of a content again that could not be processed; it may be somebody else's.",
            Operation::new(Method::POST, "Tries it again; the body is ignored.", retry)
                .only(MAY_CHANGE)
                .about(find_content)
                .may_answer(StatusCode::CONFLICT, "It has neither failed nor been stopped.")
                .answers(declared(&UPLOAD)),
        )
        .action(
            "cancel",
            "Cancel",
            "Stops the processing of the newest file of a content; it may be somebody else's.",
            Operation::new(Method::POST, "Stops it; the body is ignored.", cancel)
                .only(MAY_CHANGE)
                .about(find_content)
                .may_answer(StatusCode::CONFLICT, "It is processed already.")
                .answers(declared(&UPLOAD)),
        )
}

async fn retry(call: Call) -> Result<Answer> {
    let person = call.person()?;
    let (upload_id, _) = processed(&call.app, person, call.id).await?;
    let view = media::retry(&call.app, &call.by()?, upload_id).await?;
    call.one(&UPLOAD, &UploadRow::new(view, person))
}

async fn cancel(call: Call) -> Result<Answer> {
    let person = call.person()?;
    let (upload_id, _) = processed(&call.app, person, call.id).await?;
    let view = media::cancel(&call.app, &call.by()?, upload_id).await?;
    call.one(&UPLOAD, &UploadRow::new(view, person))
}
