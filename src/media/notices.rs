//! What the owner of a file is told when its processing has ended.

use super::store::{self, Shown};
use crate::app::App;
use crate::db::Write;
use crate::entities::upload;
use crate::error::Result;
use crate::messages::{self, MessageLevel, NewMessage, TEXT_LIMIT};
use crate::web::text::shorten;

/// Longest name of a file in a message, in characters.
const NAME_CHARACTERS: usize = 120;

/// It can be seen now.
pub async fn ready(app: &App, write: &mut Write, upload: &upload::Model) -> Result<()> {
    let shown = store::find_shown(&**write, upload.id).await?;
    let link = shown.as_ref().map_or_else(String::new, |shown| {
        format!("/students/course/{}/{}/", shown.course_id, shown.module_id)
    });
    let message = NewMessage {
        recipient_id: upload.owner_id,
        text: format!(
            "Your file {} has been processed",
            name(upload, shown.as_ref())
        ),
        level: MessageLevel::Success,
        link,
        dedupe_key: Some(format!("upload:{}:ready", upload.id)),
    };
    messages::send(app, write, message).await
}

/// It cannot be seen, and why. The attempt (job and fence) tells this failure from one after "Try again".
pub async fn failed(
    app: &App,
    write: &mut Write,
    upload: &upload::Model,
    words: &str,
    (job, fence): (i64, i64),
) -> Result<()> {
    let shown = store::find_shown(&**write, upload.id).await?;
    let link = shown.as_ref().map_or_else(String::new, |shown| {
        format!("/course/module/{}/", shown.module_id)
    });
    let text = format!(
        "Your file {} could not be processed: {words}",
        name(upload, shown.as_ref())
    );
    let message = NewMessage {
        recipient_id: upload.owner_id,
        text: shorten(&text, TEXT_LIMIT),
        level: MessageLevel::Error,
        link,
        dedupe_key: Some(format!("upload:{}:failed:{job}:{fence}", upload.id)),
    };
    messages::send(app, write, message).await
}

/// The title of the item that shows it, else the file's own name.
fn name(upload: &upload::Model, shown: Option<&Shown>) -> String {
    let name = shown.map_or(&upload.name, |shown| &shown.title);
    shorten(name, NAME_CHARACTERS)
}
