//! An item as HTML: the same in a lesson and in the API (contract, section 3, "How items look").
//!
//! Whatever a teacher typed is escaped or sanitized here, and nothing here can fail: an item that
//! lacks its file, or has an address that is not known, says so in its place.

use super::files::FileView;
use crate::courses::video_page;
use crate::entities::item::{self, ItemKind, TextFormat};
use crate::entities::rendition;
use crate::entities::upload::UploadState;
use crate::web::assets;
use crate::web::text::{self, escape};
use url::Url;

/// A recording that goes on where the student stopped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Playback {
    /// The content that shows the recording.
    pub content_id: i64,
    /// Where she stopped.
    pub position_seconds: f64,
}

/// The HTML of one item, in which nothing that was typed or uploaded can run.
///
/// `file` is the item's stored file, where it has one. With `playback`, a player tells the site where it
/// stands and goes on there.
pub fn render_item(
    item: &item::Model,
    file: Option<&FileView>,
    playback: Option<Playback>,
) -> String {
    match (item.kind, &item.url) {
        (ItemKind::Text, _) => prose(item),
        (ItemKind::Video, Some(url)) => web_video(item, url),
        (_, _) => match file {
            None => missing(),
            Some(file) if file.upload.state != UploadState::Ready => processing(item, file),
            Some(file) => stored(item, file, playback),
        },
    }
}

fn prose(item: &item::Model) -> String {
    let body = item.body.as_deref().unwrap_or("");
    let html = match item.format {
        TextFormat::Plain => text::plain(body),
        TextFormat::Markdown => text::markdown(body),
    };
    format!("<div class=\"prose\">{html}</div>")
}

fn stored(item: &item::Model, file: &FileView, playback: Option<Playback>) -> String {
    match item.kind {
        ItemKind::Text | ItemKind::File => download(file),
        ItemKind::Image => image(item, file),
        ItemKind::Video => video(item, file, playback),
        ItemKind::Audio => audio(item, file, playback),
    }
}

fn icon(name: &str) -> String {
    let sprite = assets::url("icons.svg");
    format!("<svg class=\"icon\" aria-hidden=\"true\"><use href=\"{sprite}#{name}\"/></svg>")
}

fn missing() -> String {
    format!(
        "<p class=\"processing\" data-state=\"failed\">{}<span class=\"words\">The file of this content is not here. \
         Please tell the teacher of the course.</span></p>",
        icon("circle-alert")
    )
}

fn processing(item: &item::Model, file: &FileView) -> String {
    let (state, shape) = match file.upload.state {
        UploadState::Waiting => ("waiting", "hourglass"),
        UploadState::Processing => ("processing", "loader-circle"),
        UploadState::Ready => ("ready", "circle-check"),
        UploadState::Failed => ("failed", "circle-alert"),
    };
    format!(
        "<p class=\"processing\" data-upload-id=\"{}\" data-state=\"{state}\">{}<span class=\"words\">{}</span>\
         <progress max=\"100\" value=\"{:.0}\" aria-label=\"Processing {}\"></progress></p>",
        file.upload.id,
        icon(shape),
        escape(&file.state_words()),
        file.upload.progress_percent.clamp(0.0, 100.0),
        escape(&item.title),
    )
}

fn download(file: &FileView) -> String {
    let url = escape(&file.url("original"));
    format!(
        "<a class=\"button\" href=\"{url}\" download>{}Download file</a>",
        icon("download")
    )
}

/// What was made from the upload and has this type, for example `image/`.
fn made<'a>(file: &'a FileView, mime: &'a str) -> impl Iterator<Item = &'a rendition::Model> {
    let made = file.renditions.iter();
    made.filter(move |one| one.name != "original" && one.mime.starts_with(mime))
}

/// The sizes of a picture, smallest first.
fn image(item: &item::Model, file: &FileView) -> String {
    let mut sizes: Vec<_> = made(file, "image/")
        .filter_map(|one| Some((one.width?, one.height?, &one.name)))
        .collect();
    sizes.sort_unstable();
    let srcset: Vec<String> = sizes
        .iter()
        .map(|(width, _, name)| format!("{} {width}w", file.url(name)))
        .collect();
    let Some((width, height, name)) = sizes.last() else {
        return missing();
    };
    format!(
        "<figure><div class=\"figure\"><img src=\"{}\" srcset=\"{}\" sizes=\"(max-width: 60rem) 100vw, 720px\" \
         width=\"{width}\" height=\"{height}\" alt=\"{}\" loading=\"lazy\"></div></figure>",
        escape(&file.url(name)),
        escape(&srcset.join(", ")),
        escape(&item.title),
    )
}

/// The player of YouTube or Vimeo; any other address is a plain link, and one that browsers would run is words.
fn web_video(item: &item::Model, url: &str) -> String {
    let title = escape(&item.title);
    if let Some(player) = video_page(url) {
        return format!(
            "<iframe class=\"embed\" src=\"{}\" title=\"{title}\" width=\"720\" height=\"405\" loading=\"lazy\" \
             allow=\"fullscreen; picture-in-picture; encrypted-media\" \
             referrerpolicy=\"strict-origin-when-cross-origin\"></iframe>",
            escape(&player)
        );
    }
    let is_web = Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    let shown = escape(url);
    if is_web {
        format!("<p><a href=\"{shown}\" rel=\"noopener noreferrer nofollow\">{shown}</a></p>")
    } else {
        format!("<p>{shown}</p>")
    }
}

/// What the lesson's script needs to go on where the student stopped.
fn resume(playback: Option<Playback>) -> String {
    playback.map_or_else(String::new, |playback| {
        format!(
            " data-position-url=\"/students/content/{}/position/\" data-position=\"{:.0}\"",
            playback.content_id,
            playback.position_seconds.floor()
        )
    })
}

fn video(item: &item::Model, file: &FileView, playback: Option<Playback>) -> String {
    let Some(film) = made(file, "video/").next() else {
        return missing();
    };
    let poster = file
        .poster_url()
        .map(|url| format!(" poster=\"{}\"", escape(&url)))
        .unwrap_or_default();
    let upload = &file.upload;
    let (width, height) = (film.width.or(upload.width), film.height.or(upload.height));
    let size = match (width, height) {
        (Some(width), Some(height)) => format!(" width=\"{width}\" height=\"{height}\""),
        _ => String::new(),
    };
    format!(
        "<video controls{poster} src=\"{}\" class=\"video\" preload=\"metadata\"{size} aria-label=\"{}\"{}></video>",
        escape(&file.url(&film.name)),
        escape(&item.title),
        resume(playback),
    )
}

fn audio(item: &item::Model, file: &FileView, playback: Option<Playback>) -> String {
    let title = escape(&item.title);
    let formats: Vec<_> = made(file, "audio/").collect();
    let Some(first) = formats.first() else {
        return missing();
    };
    let downloads: String = formats
        .iter()
        .map(|format| {
            format!(
                "<a class=\"button ghost\" href=\"{}\" download>{}{}<span class=\"sr-only\">, download {title}</span></a>",
                escape(&file.url(&format.name)),
                icon("download"),
                escape(&ending(&format.name)),
            )
        })
        .collect();
    format!(
        "<div class=\"recording\"><audio controls src=\"{}\" preload=\"metadata\" aria-label=\"{title}\"{}></audio>\
         <div class=\"downloads\">{downloads}</div></div>",
        escape(&file.url(&first.name)),
        resume(playback),
    )
}

/// The ending of a file's name as people say it: `M4A`, `PDF`; `File` where there is none.
pub fn ending(name: &str) -> String {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let is_plain =
        (1..=5).contains(&ending.len()) && ending.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_plain {
        ending.to_ascii_uppercase()
    } else {
        "File".into()
    }
}
