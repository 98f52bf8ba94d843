//! What the owner of a file is told when its processing has ended.

use super::pictures;
use super::store::{self, Shown};
use crate::app::App;
use crate::db::Write;
use crate::entities::upload::{self, UploadKind, UploadState};
use crate::error::Result;
use crate::messages::{self, MessageLevel, NewMessage, TEXT_LIMIT};
use crate::web::text::shorten;

/// Longest name of a file in a message, in characters.
const NAME_CHARACTERS: usize = 120;

/// Longest name of a file in a message about several.
const SHORT_NAME_CHARACTERS: usize = 60;

/// Where files are that no course shows.
const LIBRARY: &str = "/library/";

/// It can be seen now.
pub async fn ready(app: &App, write: &mut Write, upload: &upload::Model) -> Result<()> {
    let shown = store::find_shown(&**write, upload.id).await?;
    let link = shown.as_ref().map_or_else(|| LIBRARY.into(), lesson);
    let key = format!("upload:{}:ready", upload.id);
    processed(app, write, upload, shown.as_ref(), link, key).await
}

/// Another program has had it converted, by a job of this name. It can be seen here when it is ready here, of
/// which its owner hears then.
pub async fn converted_elsewhere(
    app: &App,
    write: &mut Write,
    upload: &upload::Model,
    job: &str,
) -> Result<()> {
    let shown = store::find_shown(&**write, upload.id).await?;
    let link = match &shown {
        Some(shown) if upload.state == UploadState::Ready => lesson(shown),
        Some(_) => String::new(),
        None => LIBRARY.into(),
    };
    let key = format!("upload:{}:elsewhere:{job}", upload.id);
    processed(app, write, upload, shown.as_ref(), link, key).await
}

async fn processed(
    app: &App,
    write: &mut Write,
    upload: &upload::Model,
    shown: Option<&Shown>,
    link: String,
    key: String,
) -> Result<()> {
    if is_of_room(write, upload).await? {
        return Ok(());
    }
    let message = NewMessage {
        recipient_id: upload.owner_id,
        text: format!(
            "Your file {} has been processed",
            name(upload, shown, NAME_CHARACTERS)
        ),
        level: MessageLevel::Success,
        link,
        dedupe_key: Some(key),
    };
    messages::send_instead(app, write, message, &failures(upload)).await
}

/// It cannot be seen, and why. `occasion` tells this failure from one after "Try again".
pub async fn failed(
    app: &App,
    write: &mut Write,
    upload: &upload::Model,
    words: &str,
    occasion: &str,
) -> Result<()> {
    if is_of_room(write, upload).await? {
        return Ok(());
    }
    let shown = store::find_shown(&**write, upload.id).await?;
    let text = format!(
        "Your file {} could not be processed: {words}",
        name(upload, shown.as_ref(), NAME_CHARACTERS)
    );
    let message = NewMessage {
        recipient_id: upload.owner_id,
        text: shorten(&text, TEXT_LIMIT),
        level: MessageLevel::Error,
        link: shown.as_ref().map_or_else(|| LIBRARY.into(), outline),
        dedupe_key: Some(format!("{}{occasion}", failures(upload))),
    };
    messages::send_instead(app, write, message, &failures(upload)).await
}

/// How the keys of all messages begin that say that it failed: the newest word about a file is the true one.
fn failures(upload: &upload::Model) -> String {
    format!("upload:{}:failed:", upload.id)
}

/// Whether it is a picture of a room: who sends one waits for it there, and sees how it stands.
async fn is_of_room(write: &Write, upload: &upload::Model) -> Result<bool> {
    let may_be = upload.kind == UploadKind::Image;
    Ok(may_be && pictures::is_of_room(&**write, upload.id).await?)
}

/// Several that were dropped together, at least two, all ready or failed.
pub async fn together(
    app: &App,
    write: &mut Write,
    batch: &str,
    all: &[upload::Model],
) -> Result<()> {
    let Some(first) = all.first() else {
        return Ok(());
    };
    let shown = store::find_shown(&**write, first.id).await?;
    let failed: Vec<&upload::Model> = all
        .iter()
        .filter(|upload| upload.state == UploadState::Failed)
        .collect();
    let fault = match failed.first() {
        Some(upload) => {
            let shown = store::find_shown(&**write, upload.id).await?;
            let name = name(upload, shown.as_ref(), SHORT_NAME_CHARACTERS);
            Some((name, upload.fault.clone().unwrap_or_default()))
        }
        None => None,
    };
    let ready = all.len() - failed.len();
    let level = match (ready, failed.len()) {
        (_, 0) => MessageLevel::Success,
        (0, _) => MessageLevel::Error,
        _ => MessageLevel::Warning,
    };
    let message = NewMessage {
        recipient_id: first.owner_id,
        text: sentence(ready, failed.len(), fault.as_ref()),
        level,
        link: shown.as_ref().map_or_else(|| LIBRARY.into(), outline),
        dedupe_key: Some(format!("batch:{batch}")),
    };
    messages::send(app, write, message).await
}

/// `12 files are ready`, `11 files are ready; 1 failed: bow.mp4 - This file is cut off`. `fault`: name and reason of
/// the first that failed.
fn sentence(ready: usize, failed: usize, fault: Option<&(String, String)>) -> String {
    let files = |count: usize| match count {
        1 => "1 file".to_owned(),
        more => format!("{more} files"),
    };
    let verb = if ready == 1 { "is" } else { "are" };
    let ready = (ready > 0).then(|| format!("{} {verb} ready", files(ready)));
    let Some((name, reason)) = fault else {
        return ready.unwrap_or_default();
    };
    let start = match ready {
        Some(ready) => format!("{ready}; {failed} failed: "),
        None => format!("{} failed: ", files(failed)),
    };
    let end = match failed {
        0 | 1 => String::new(),
        more => format!(" (and {} more)", more - 1),
    };
    let reason = reason.trim().trim_end_matches('.');
    let taken = start.chars().count() + end.chars().count();
    let about = shorten(
        &format!("{name} - {reason}"),
        TEXT_LIMIT.saturating_sub(taken),
    );
    format!("{start}{about}{end}")
}

fn lesson(shown: &Shown) -> String {
    format!("/students/course/{}/{}/", shown.course_id, shown.module_id)
}

fn outline(shown: &Shown) -> String {
    format!("/course/module/{}/", shown.module_id)
}

/// The title of the item that shows it, else the file's own name.
fn name(upload: &upload::Model, shown: Option<&Shown>, most: usize) -> String {
    let name = shown.map_or(&upload.name, |shown| &shown.title);
    shorten(name, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_files_are_one_sentence() {
        let fault = ("bow.mp4".to_owned(), "This file is cut off.".to_owned());
        let told = |ready, failed| {
            let fault = (failed > 0).then_some(&fault);
            sentence(ready, failed, fault)
        };
        assert_eq!(told(12, 0), "12 files are ready");
        let one = "11 files are ready; 1 failed: bow.mp4 - This file is cut off";
        assert_eq!(told(11, 1), one);
        let most = "1 file is ready; 11 failed: bow.mp4 - This file is cut off (and 10 more)";
        assert_eq!(told(1, 11), most);
        let all = "12 files failed: bow.mp4 - This file is cut off (and 11 more)";
        assert_eq!(told(0, 12), all);
        let long = ("b".repeat(60), "why ".repeat(100));
        let told = sentence(5_000, 5_000, Some(&long));
        assert!(told.chars().count() <= TEXT_LIMIT, "{told}");
        assert!(told.ends_with("(and 4999 more)"), "{told}");
    }
}
