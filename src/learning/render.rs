//! An item as HTML: the same in a lesson and in the API (contract, section 3, "How items look").
//!
//! Whatever a teacher typed is escaped or sanitized here, and nothing here can fail: an item that
//! lacks its file, or has an address that is not known, says so in its place.

use crate::courses::video_page;
use crate::entities::item::{self, ItemKind, TextFormat};
use crate::entities::upload::UploadState;
use crate::media::FileView;
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
            Some(file) if !file.is_ready() => processing(item, file),
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
        UploadState::Canceled => ("canceled", "circle-stop"),
    };
    let words = match file.upload.state {
        // For those who cannot try it again.
        UploadState::Canceled => "This file is not ready yet.".to_owned(),
        _ => file.state_words(),
    };
    format!(
        "<p class=\"processing\" data-upload-id=\"{}\" data-revision=\"{}\" data-state=\"{state}\">{}<span class=\"words\">{}</span>\
         <progress max=\"100\" value=\"{:.0}\" aria-label=\"Processing {}\"></progress></p>",
        file.upload.id,
        file.upload.revision,
        icon(shape),
        escape(&words),
        file.upload.progress_percent.clamp(0.0, 100.0),
        escape(&item.title),
    )
}

fn download(file: &FileView) -> String {
    let url = escape(&file.original_url());
    format!(
        "<a class=\"button\" href=\"{url}\" download>{}Download file</a>",
        icon("download")
    )
}

fn image(item: &item::Model, file: &FileView) -> String {
    let largest = file.pictures().last().copied();
    let (Some(largest), Some(url)) = (largest, file.image_url()) else {
        return missing();
    };
    format!(
        "<figure><div class=\"figure\"><img src=\"{}\" srcset=\"{}\" sizes=\"(max-width: 60rem) 100vw, 720px\"{} \
         alt=\"{}\" loading=\"lazy\"></div></figure>",
        escape(&url),
        escape(&file.srcset()),
        size(largest.width, largest.height),
        escape(&item.title),
    )
}

/// The attributes that keep the page from moving when the picture arrives.
fn size(width: Option<i32>, height: Option<i32>) -> String {
    match (width, height) {
        (Some(width), Some(height)) => format!(" width=\"{width}\" height=\"{height}\""),
        _ => String::new(),
    }
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

/// The HTML of a recording that was rendered to begin at the beginning, going on where somebody stopped. Only a
/// player's own attribute can look so: whatever was typed stands there without quotation marks.
pub fn resumed(html: String, kind: ItemKind, playback: Playback) -> String {
    let plays = matches!(kind, ItemKind::Video | ItemKind::Audio);
    if !plays || playback.position_seconds < 1.0 {
        return html;
    }
    let from_the_beginning = Playback {
        position_seconds: 0.0,
        ..playback
    };
    html.replacen(
        &resume(Some(from_the_beginning)),
        &resume(Some(playback)),
        1,
    )
}

fn video(item: &item::Model, file: &FileView, playback: Option<Playback>) -> String {
    let Some(url) = file.video_url() else {
        return missing();
    };
    let poster = file
        .poster_url()
        .map(|url| format!(" poster=\"{}\"", escape(&url)))
        .unwrap_or_default();
    format!(
        "<video controls{poster} src=\"{}\" class=\"video\" preload=\"metadata\"{} aria-label=\"{}\"{}{}>{}</video>",
        escape(&url),
        size(file.upload.width, file.upload.height),
        escape(&item.title),
        resume(playback),
        for_player(file),
        tracks(file),
    )
}

/// Where the player's script finds what it needs beyond the one file that every browser plays.
fn for_player(file: &FileView) -> String {
    let urls = [
        ("data-hls", file.hls_url()),
        ("data-peaks", file.peaks_url()),
    ];
    let urls = urls
        .into_iter()
        .filter_map(|(name, url)| Some(format!(" {name}=\"{}\"", escape(&url?))));
    let seconds = file.upload.duration_seconds;
    let seconds = seconds.map(|seconds| format!(" data-duration=\"{seconds:.3}\""));
    urls.chain(seconds).collect()
}

/// Captions, which every browser shows by itself; chapters and thumbnails, which a script reads (HTML, "track").
fn tracks(file: &FileView) -> String {
    let captions = file.captions().into_iter().map(|caption| {
        format!(
            "<track kind=\"captions\" srclang=\"{}\" label=\"{}\" src=\"{}\">",
            caption.language,
            escape(&caption.language.name()),
            escape(&caption.url)
        )
    });
    let others = [
        ("chapters", "Chapters", file.chapters_url()),
        ("metadata", "thumbnails", file.thumbnails_url()),
    ];
    let others = others.into_iter().filter_map(|(kind, label, url)| {
        let url = url?;
        Some(format!(
            "<track kind=\"{kind}\" label=\"{label}\" src=\"{}\">",
            escape(&url)
        ))
    });
    captions.chain(others).collect()
}

fn audio(item: &item::Model, file: &FileView, playback: Option<Playback>) -> String {
    let title = escape(&item.title);
    let sounds = file.sounds();
    let Some((_, first)) = sounds.first() else {
        return missing();
    };
    let downloads: Vec<String> = sounds
        .iter()
        .map(|(format, url)| {
            format!(
                "<a class=\"button ghost\" href=\"{}\" download>{}{}<span class=\"sr-only\">, download {title}</span></a>",
                escape(url),
                icon("download"),
                escape(format),
            )
        })
        .collect();
    // It says nothing that the title does not.
    let cover = file.cover_url().map_or_else(String::new, |url| {
        format!(
            "<img class=\"album\" src=\"{}\" alt=\"\" loading=\"lazy\" width=\"96\" height=\"96\">",
            escape(&url)
        )
    });
    format!(
        "<div class=\"recording\">{cover}<audio controls src=\"{}\" preload=\"metadata\" aria-label=\"{title}\"{}{}>{}</audio>\
         <div class=\"downloads\">{}</div></div>",
        escape(first),
        resume(playback),
        for_player(file),
        tracks(file),
        downloads.concat(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn item(kind: ItemKind, title: &str, url: Option<&str>) -> item::Model {
        item::Model {
            id: 1,
            owner_id: 1,
            kind,
            title: title.to_owned(),
            body: Some(title.to_owned()),
            format: TextFormat::Plain,
            url: url.map(str::to_owned),
            upload_id: None,
            next_upload_id: None,
            allow_download: false,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }

    proptest::proptest! {
        #[test]
        fn no_address_and_no_title_gets_out_of_its_place(title in "\\PC*", url in "\\PC*") {
            let html = render_item(&item(ItemKind::Video, &title, Some(&url)), None, None);
            assert!(html.starts_with("<p>"), "{html}");
            assert!(html.matches('<').count() <= 4, "{html}");
            let quotes = html.matches('"').count();
            assert!(quotes == 0 || quotes == 4, "{html}");
        }
    }

    #[test]
    fn only_addresses_of_the_web_become_links() {
        for (url, is_link) in [
            ("https://example.org/", true),
            ("http://example.org/", true),
            ("javascript:alert(1)", false),
            ("JavaScript://example.org/%0aalert(1)", false),
            ("data:text/html,<script>alert(1)</script>", false),
            ("//example.org/", false),
        ] {
            let html = render_item(&item(ItemKind::Video, "A talk", Some(url)), None, None);
            assert_eq!(html.contains("<a "), is_link, "{html}");
            assert!(!html.contains("<script"), "{html}");
        }
    }

    #[test]
    fn endings_are_told_only_where_there_is_a_plain_one() {
        for (name, words) in [
            ("a.pdf", "PDF"),
            ("a.tar.gz", "GZ"),
            ("README", "File"),
            ("a.", "File"),
            ("a.b c", "File"),
            ("a.<b>", "File"),
            ("a.toolongtotell", "File"),
        ] {
            assert_eq!(ending(name), words, "{name}");
        }
    }
}
