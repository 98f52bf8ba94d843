//! What a course is made of, as it stands in an archive; and what is wrong with one that somebody else has written.

use super::part_of;
use crate::backup::manifest::Manifest;
use crate::courses::video_page;
use crate::entities::item::{ItemKind, TextFormat};
use crate::entities::upload::{UploadKind, UploadState};
use crate::media::ORIGINAL;
use crate::web::csrf::FORM_LIMIT_BYTES;
use axum::http::HeaderValue;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The form of the document; grows when an older program could not read it.
pub const FORMAT: u32 = 1;

/// Longest title and address, in characters.
const TITLE_LIMIT: usize = 200;
/// Longest title of an item, in characters.
const ITEM_TITLE_LIMIT: usize = 250;
/// Longest name of a stored file, in bytes, and longest media type.
const NAME_LIMIT: usize = 100;
/// Longest text, in bytes: as much as a form or a request of the API holds.
const TEXT_LIMIT: usize = FORM_LIMIT_BYTES;
/// Longest address of a page elsewhere, in bytes.
const URL_LIMIT: usize = 2_000;
/// Most of anything that one course has.
const MOST: usize = 100_000;

/// A course.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CourseDocument {
    pub format: u32,
    pub subject: SubjectPart,
    pub title: String,
    pub slug: String,
    pub overview: String,
    pub places: Option<i32>,
    pub needs_approval: bool,
    pub modules: Vec<ModulePart>,
    /// The uploads that its contents show, each once.
    pub files: Vec<FilePart>,
}

/// Where it stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectPart {
    pub title: String,
    pub slug: String,
}

/// A module, in its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModulePart {
    pub title: String,
    pub description: String,
    pub contents: Vec<ContentPart>,
}

/// A content, in its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentPart {
    pub kind: ItemKind,
    pub title: String,
    pub body: Option<String>,
    pub format: TextFormat,
    pub url: Option<String>,
    /// Its upload among the files of the course, from 0.
    pub file: Option<usize>,
    /// The one that is to take its place.
    pub next_file: Option<usize>,
    pub allow_download: bool,
}

/// An upload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePart {
    pub name: String,
    pub kind: UploadKind,
    pub mime: String,
    pub size_bytes: i64,
    pub state: UploadState,
    pub duration_seconds: Option<f64>,
    pub width: Option<i32>,
    pub height: Option<i32>,
    /// What is stored of it; the file as it was sent among it.
    pub stored: Vec<StoredPart>,
}

/// A stored file of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredPart {
    pub name: String,
    pub mime: String,
    pub size_bytes: i64,
    pub width: Option<i32>,
    pub height: Option<i32>,
}

impl CourseDocument {
    /// What all its files take as they were sent: that counts against the share of a teacher.
    pub fn size_bytes(&self) -> u64 {
        let sizes = self.files.iter().map(|file| file.size_bytes);
        sizes.filter_map(|size| u64::try_from(size).ok()).sum()
    }

    /// What each stored file takes.
    pub fn stored_bytes(&self) -> impl Iterator<Item = u64> {
        let stored = self.files.iter().flat_map(|file| &file.stored);
        stored.filter_map(|part| u64::try_from(part.size_bytes).ok())
    }

    /// Whether it is one that this program could have written, with all its parts in the archive.
    ///
    /// # Errors
    /// The first fault, in words.
    pub fn check(&self, manifest: &Manifest) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!(
                "it is written in form {}, and this program knows form {FORMAT}",
                self.format
            ));
        }
        is_text("the title of the course", &self.title, TITLE_LIMIT)?;
        is_text("the title of its subject", &self.subject.title, TITLE_LIMIT)?;
        is_long_text("its overview", &self.overview)?;
        is_address("its address", &self.slug)?;
        is_address("the address of its subject", &self.subject.slug)?;
        if self.places.is_some_and(|places| places < 1) {
            return Err("it has places for nobody".to_owned());
        }
        let contents = self.modules.iter().map(|module| module.contents.len());
        if self.modules.len() > MOST || self.files.len() > MOST || contents.sum::<usize>() > MOST {
            return Err(format!(
                "it has more than {MOST} modules, contents or files"
            ));
        }
        for module in &self.modules {
            is_text("the title of a module", &module.title, TITLE_LIMIT)?;
            is_long_text("the description of a module", &module.description)?;
            for content in &module.contents {
                self.check_content(content)
                    .map_err(|fault| format!("{:?}: {fault}", content.title))?;
            }
        }
        for (number, file) in self.files.iter().enumerate() {
            check_file(number, file, manifest)
                .map_err(|fault| format!("the file {:?}: {fault}", file.name))?;
        }
        Ok(())
    }

    fn check_content(&self, content: &ContentPart) -> Result<(), String> {
        is_text("its title", &content.title, ITEM_TITLE_LIMIT)?;
        is_long_text("its text", content.body.as_deref().unwrap_or_default())?;
        let meant = match content.kind {
            ItemKind::Text => None,
            ItemKind::File => Some(UploadKind::File),
            ItemKind::Image => Some(UploadKind::Image),
            ItemKind::Video => Some(UploadKind::Video),
            ItemKind::Audio => Some(UploadKind::Audio),
        };
        for at in [content.file, content.next_file].into_iter().flatten() {
            let file = self.files.get(at).ok_or("its file is not in the archive")?;
            // A file to download may be of any kind.
            let fits = meant.is_some_and(|kind| kind == UploadKind::File || kind == file.kind);
            if !fits {
                return Err("its file is of another kind".to_owned());
            }
        }
        let url = content.url.as_deref();
        let is_page =
            |url: &str| url.len() <= URL_LIMIT && !url.contains('\0') && video_page(url).is_some();
        if url.is_some_and(|url| content.kind != ItemKind::Video || !is_page(url)) {
            return Err("its address is no page at YouTube or Vimeo".to_owned());
        }
        let shows_one_thing = match content.kind {
            ItemKind::Text => content.body.is_some(),
            ItemKind::Video => content.file.is_some() != content.url.is_some(),
            ItemKind::File | ItemKind::Image | ItemKind::Audio => content.file.is_some(),
        };
        if shows_one_thing {
            Ok(())
        } else {
            Err("it shows nothing, or two things".to_owned())
        }
    }
}

fn check_file(number: usize, file: &FilePart, manifest: &Manifest) -> Result<(), String> {
    is_text("its name", &file.name, ITEM_TITLE_LIMIT)?;
    is_media_type(&file.mime)?;
    let seconds = file.duration_seconds.unwrap_or(0.0);
    is_measure(file.width, file.height, seconds)?;
    let mut names = BTreeSet::new();
    for stored in &file.stored {
        let name = &stored.name;
        let is_plain = (1..=NAME_LIMIT).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'/');
        if !is_plain || !names.insert(name.as_str()) {
            return Err(format!("{name:?} is no name of a stored file"));
        }
        is_media_type(&stored.mime)?;
        is_measure(stored.width, stored.height, 0.0)?;
        let part = manifest.parts.get(&part_of(number, name));
        let size = u64::try_from(stored.size_bytes).ok();
        if size.is_none() || part.map(|part| part.size) != size {
            return Err(format!("{name} is missing or has another size"));
        }
    }
    let original = file.stored.iter().find(|stored| stored.name == ORIGINAL);
    match original {
        Some(original) if original.size_bytes == file.size_bytes => Ok(()),
        _ => Err("the file as it was sent is missing".to_owned()),
    }
}

fn is_text(what: &str, text: &str, most: usize) -> Result<(), String> {
    let count = text.chars().count();
    if text.trim().is_empty() || count > most || text.contains('\0') {
        return Err(format!("{what} has 1 to {most} characters"));
    }
    Ok(())
}

fn is_long_text(what: &str, text: &str) -> Result<(), String> {
    if text.len() > TEXT_LIMIT || text.contains('\0') {
        return Err(format!(
            "{what} has up to {TEXT_LIMIT} bytes, and no byte 0 among them"
        ));
    }
    Ok(())
}

/// As it goes into a header: `text/vtt; charset=utf-8`.
fn is_media_type(mime: &str) -> Result<(), String> {
    let is_kind = |part: &str| !part.is_empty() && !part.contains(char::is_whitespace);
    let named = mime.split(';').next().and_then(|kind| kind.split_once('/'));
    let is_named = named.is_some_and(|(kind, one)| is_kind(kind) && is_kind(one));
    if is_named
        && mime.is_ascii()
        && mime.len() <= NAME_LIMIT
        && HeaderValue::from_str(mime).is_ok()
    {
        Ok(())
    } else {
        Err(format!("{mime:?} is no media type"))
    }
}

fn is_measure(width: Option<i32>, height: Option<i32>, seconds: f64) -> Result<(), String> {
    let is_size = |pixels: Option<i32>| pixels.is_none_or(|pixels| pixels >= 0);
    if is_size(width) && is_size(height) && seconds.is_finite() && seconds >= 0.0 {
        Ok(())
    } else {
        Err("it is smaller than nothing".to_owned())
    }
}

fn is_address(what: &str, slug: &str) -> Result<(), String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=TITLE_LIMIT).contains(&slug.len()) && slug.bytes().all(is_plain) {
        Ok(())
    } else {
        Err(format!(
            "{what} has 1 to {TITLE_LIMIT} letters, digits, hyphens and underscores"
        ))
    }
}
