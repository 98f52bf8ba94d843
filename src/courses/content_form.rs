//! The form of a content: what its five kinds ask for, and what may be typed into it.
//!
//! Pure: it knows fields and sentences. `contents` reads the request and stores the outcome.

use super::video_page;
use crate::app::App;
use crate::entities::item::{self, ItemKind, TextFormat};
use crate::error::Problems;
use crate::media::{Accepts, FileView, UploadKind};
use crate::web::form::Form;
use sea_orm::ActiveEnum as _;

/// Longest title, in characters.
const TITLE_MAX: usize = 250;
/// Longest address of a video, in characters.
const URL_MAX: usize = 500;

/// What a form of one kind asks for besides the title.
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each stands for one field of the form"
)]
pub struct Asks {
    /// A text to write.
    pub text: bool,
    /// A file to send.
    pub file: bool,
    /// The address of a video.
    pub url: bool,
    /// Whether students may download it.
    pub download: bool,
    /// The label of the file's field.
    pub label: &'static str,
    /// Which files are taken, and how large.
    pub hint: String,
    /// The same for the browser (HTML, "accept").
    pub accept: &'static str,
    /// Most bytes.
    pub max_bytes: u64,
}

/// What was typed and sent, before it is judged.
#[derive(Debug)]
pub struct Given<'a> {
    /// The fields.
    pub form: &'a Form,
    /// Name of the file that came with them.
    pub file_name: Option<&'a str>,
    /// The upload that the field `upload` names, when it is one of hers.
    pub chosen: Option<&'a FileView>,
    /// The item to be changed.
    pub held: Option<&'a item::Model>,
}

/// A form that may be stored.
#[derive(Debug, PartialEq, Eq)]
pub struct Draft {
    /// 1-250 characters.
    pub title: String,
    /// What the content shows.
    pub source: Source,
    /// Whether students may download the film.
    pub allow_download: bool,
}

/// Where what a content shows comes from.
#[derive(Debug, PartialEq, Eq)]
pub enum Source {
    /// It was typed.
    Typed {
        /// With line feeds.
        body: String,
        /// How it is written.
        format: TextFormat,
    },
    /// A page at YouTube or Vimeo.
    Page(String),
    /// The file that came with the form.
    Arrived,
    /// An upload that was finished before.
    Chosen(i64),
    /// Whatever the item shows already.
    Held,
}

/// The kind as it stands in paths.
pub fn segment(kind: ItemKind) -> String {
    kind.to_value()
}

/// The heading above a new one, and above one that is changed.
pub fn heading(kind: ItemKind, is_new: bool) -> &'static str {
    match (kind, is_new) {
        (ItemKind::Text, true) => "New text",
        (ItemKind::Text, false) => "Change the text",
        (ItemKind::File, true) => "New file",
        (ItemKind::File, false) => "Change the file",
        (ItemKind::Image, true) => "New picture",
        (ItemKind::Image, false) => "Change the picture",
        (ItemKind::Video, true) => "New video",
        (ItemKind::Video, false) => "Change the video",
        (ItemKind::Audio, true) => "New recording",
        (ItemKind::Audio, false) => "Change the recording",
    }
}

impl Asks {
    /// What the form of `kind` asks for. `is_web` leaves a video the address alone.
    pub fn of(app: &App, kind: ItemKind, is_web: bool) -> Self {
        let Some(accepts) = Accepts::of(kind) else {
            return Self {
                text: true,
                ..Self::default()
            };
        };
        let url = kind == ItemKind::Video;
        if url && is_web {
            return Self {
                url,
                ..Self::default()
            };
        }
        let (label, after) = match kind {
            ItemKind::Video => (
                "Video file",
                "It is made to play anywhere; you may leave this page once it is uploaded.",
            ),
            ItemKind::Audio => ("Audio file", "Loudness is evened out."),
            ItemKind::Image => ("Picture", "The title is read to those who cannot see it."),
            ItemKind::File | ItemKind::Text => ("File", "Students download it."),
        };
        Self {
            text: false,
            file: true,
            url,
            download: url,
            label,
            hint: format!("{} {after}", accepts.sentence(app)),
            accept: accepts.attribute(),
            max_bytes: accepts.max_bytes(app),
        }
    }
}

/// Judges a form, all fields at once.
///
/// # Errors
/// What is wrong with each field.
pub fn parse(kind: ItemKind, given: &Given<'_>) -> Result<Draft, Problems> {
    let mut problems = Problems::new();
    let source = match kind {
        ItemKind::Text => typed(given.form, &mut problems),
        _ => shown(kind, given, &mut problems),
    };
    let title = title(kind, given, source.as_ref(), &mut problems);
    match source {
        Some(source) if problems.is_empty() => Ok(Draft {
            title,
            allow_download: kind == ItemKind::Video && given.form.is_set("allow_download"),
            source,
        }),
        _ => {
            if given.file_name.is_some() && problems.at("file").is_empty() {
                problems.add(
                    "file",
                    "The file could not be kept while the form needs mending: please choose it again.",
                );
            }
            Err(problems)
        }
    }
}

/// As typed; when empty, the name of the file without its ending.
fn title(
    kind: ItemKind,
    given: &Given<'_>,
    source: Option<&Source>,
    problems: &mut Problems,
) -> String {
    let typed = given.form.text("title");
    let named = match source {
        Some(Source::Arrived) => given.file_name,
        Some(Source::Chosen(_)) => given.chosen.map(|view| view.upload.name.as_str()),
        _ => None,
    };
    let title = match named {
        Some(name) if typed.is_empty() => title_of(name),
        _ => typed.to_owned(),
    };
    // Where the file is still missing, it may yet bring the name.
    let file_may_name_it =
        source.is_none() && kind != ItemKind::Text && given.form.text("url").is_empty();
    problems.check(
        !title.is_empty() || file_may_name_it,
        "title",
        "Please give it a title.",
    );
    let length = title.chars().count();
    problems.check(
        length <= TITLE_MAX,
        "title",
        format!("A title has at most {TITLE_MAX} characters; this one has {length}."),
    );
    problems.check(
        !title.contains(char::is_control),
        "title",
        "A title is one line without control characters.",
    );
    title
}

/// What a file is called that got no title: its name without the ending.
pub fn title_of(name: &str) -> String {
    stem(name).chars().take(TITLE_MAX).collect()
}

/// The name without what looks like the ending of a file's name.
fn stem(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, ending))
            if !stem.trim().is_empty()
                && ending.len() <= 10
                && ending.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            stem.trim()
        }
        _ => name.trim(),
    }
}

fn typed(form: &Form, problems: &mut Problems) -> Option<Source> {
    let body = form.long_text("content");
    problems.check(
        !body.trim().is_empty(),
        "content",
        "Please write something for students to read.",
    );
    problems.check(
        !body.contains('\0'),
        "content",
        "The text holds a NUL character, which no text may have.",
    );
    let format = match form.text("format") {
        "" | "plain" => TextFormat::Plain,
        "markdown" => TextFormat::Markdown,
        _ => {
            problems.add("format", "Choose Markdown or plain text.");
            return None;
        }
    };
    Some(Source::Typed { body, format })
}

/// A file, an upload, or (for videos) an address; exactly one of them, or none when the item holds one.
fn shown(kind: ItemKind, given: &Given<'_>, problems: &mut Problems) -> Option<Source> {
    let url = if kind == ItemKind::Video {
        given.form.text("url")
    } else {
        ""
    };
    let held_url = given.held.and_then(|item| item.url.as_deref());
    let has_file = given.file_name.is_some();
    let has_upload = !given.form.text("upload").is_empty();
    // The address that is there already does not stand against a new file: the form shows it.
    let is_new_url = !url.is_empty() && held_url != Some(url);
    if is_new_url && (has_file || has_upload) {
        problems.add(
            "url",
            "Choose a file or give an address, not both: leave one of them empty.",
        );
        return None;
    }
    if has_file {
        return Some(Source::Arrived);
    }
    if has_upload {
        return chosen(kind, given, problems);
    }
    if is_new_url {
        return page(url, problems);
    }
    let has_held = given.held.is_some_and(|item| item.upload_id.is_some());
    if has_held || (held_url.is_some() && !url.is_empty()) {
        return Some(Source::Held);
    }
    if held_url.is_some() {
        problems.add(
            "url",
            "Give the address of a video, or choose a file in its place.",
        );
    } else if kind == ItemKind::Video {
        problems.add("file", "Choose a file, or give the address of a video.");
    } else {
        problems.add("file", "Choose a file.");
    }
    None
}

fn chosen(kind: ItemKind, given: &Given<'_>, problems: &mut Problems) -> Option<Source> {
    let Some(view) = given.chosen else {
        problems.add(
            "file",
            "This upload is not one of yours, or no longer here. Choose the file again.",
        );
        return None;
    };
    let fits = match kind {
        ItemKind::Text => false,
        // What was sent to be shown has no original for students: it may hold where it was taken.
        ItemKind::File => view.upload.kind == UploadKind::File,
        ItemKind::Image => view.upload.kind == UploadKind::Image,
        ItemKind::Video => view.upload.kind == UploadKind::Video,
        ItemKind::Audio => view.upload.kind == UploadKind::Audio,
    };
    if fits {
        return Some(Source::Chosen(view.upload.id));
    }
    problems.add(
        "file",
        "This upload is of another kind than this form takes. Choose another file.",
    );
    None
}

fn page(url: &str, problems: &mut Problems) -> Option<Source> {
    if url.chars().count() > URL_MAX {
        problems.add(
            "url",
            format!("An address has at most {URL_MAX} characters."),
        );
        return None;
    }
    if video_page(url).is_none() {
        problems.add(
            "url",
            "This is not the page of a video at YouTube or Vimeo. Copy the address from the browser while the \
             video shows, for example https://vimeo.com/76979871, or choose a file.",
        );
        return None;
    }
    Some(Source::Page(url.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;

    fn judge(
        kind: ItemKind,
        fields: &[(&str, &str)],
        file_name: Option<&str>,
        held: Option<&item::Model>,
    ) -> Result<Draft, Problems> {
        let pairs = fields
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        let form = Form::from_pairs(pairs.collect());
        let given = Given {
            form: &form,
            file_name,
            chosen: None,
            held,
        };
        parse(kind, &given)
    }

    fn held(url: Option<&str>, upload_id: Option<i64>) -> item::Model {
        item::Model {
            id: 1,
            owner_id: 1,
            kind: ItemKind::Video,
            title: "T".into(),
            body: None,
            format: TextFormat::Plain,
            url: url.map(str::to_owned),
            upload_id,
            next_upload_id: None,
            allow_download: false,
            created_at: DateTime::default(),
            updated_at: DateTime::default(),
        }
    }

    #[test]
    fn a_text_without_a_format_is_plain() {
        let draft = judge(
            ItemKind::Text,
            &[("title", " A "), ("content", "one\r\ntwo\r\n")],
            None,
            None,
        );
        let source = Source::Typed {
            body: "one\ntwo".into(),
            format: TextFormat::Plain,
        };
        let title = "A".into();
        let allow_download = false;
        assert_eq!(
            draft,
            Ok(Draft {
                title,
                source,
                allow_download
            })
        );
    }

    #[test]
    fn every_field_that_is_wrong_is_named() {
        let fields = [("title", ""), ("content", " "), ("format", "html")];
        let problems = judge(ItemKind::Text, &fields, None, None).unwrap_err();
        for field in ["title", "content", "format"] {
            assert_eq!(problems.at(field).len(), 1, "{field}: {problems:?}");
        }
    }

    #[test]
    fn a_file_without_a_title_is_called_by_its_name_without_the_ending() {
        let named = |name| judge(ItemKind::Audio, &[], Some(name), None).unwrap().title;
        assert_eq!(
            named("Sarabande, second take.wav"),
            "Sarabande, second take"
        );
        assert_eq!(named("a.b.mp4"), "a.b");
        assert_eq!(named("No. 5"), "No. 5");
        assert_eq!(named("README"), "README");
    }

    #[test]
    fn an_empty_form_asks_for_the_file_alone_since_the_file_may_bring_the_title() {
        let problems = judge(ItemKind::Video, &[("title", ""), ("url", "")], None, None);
        let problems = problems.unwrap_err();
        assert!(problems.at("title").is_empty(), "{problems:?}");
        assert_eq!(problems.len(), 1, "{problems:?}");
    }

    #[test]
    fn a_title_that_is_too_long_says_that_the_file_is_to_be_chosen_again() {
        let title = "x".repeat(251);
        let problems = judge(ItemKind::File, &[("title", &title)], Some("a.pdf"), None);
        let problems = problems.unwrap_err();
        assert!(problems.at("title").concat().contains("251"));
        assert!(problems.at("file").concat().contains("choose it again"));
    }

    #[test]
    fn a_video_is_a_file_or_a_page_but_not_both_and_not_any_page() {
        let page = "https://vimeo.com/76979871";
        let title = ("title", "T");
        let source = |fields: &[_], file| {
            judge(ItemKind::Video, fields, file, None).map(|draft| draft.source)
        };
        assert_eq!(
            source(&[title, ("url", page)], None),
            Ok(Source::Page(page.into()))
        );
        assert_eq!(source(&[title], Some("a.mp4")), Ok(Source::Arrived));
        assert!(source(&[title, ("url", page)], Some("a.mp4")).is_err());
        assert!(source(&[title], None).is_err());
        let foreign = source(&[title, ("url", "https://example.org/v")], None).unwrap_err();
        assert!(foreign.at("url").concat().contains("YouTube or Vimeo"));
    }

    #[test]
    fn an_item_keeps_what_it_shows_unless_something_else_is_given() {
        let page = "https://vimeo.com/76979871";
        let source = |fields: &[_], file, item: &item::Model| {
            let fields: Vec<_> = [("title", "T")].iter().chain(fields).copied().collect();
            judge(ItemKind::Video, &fields, file, Some(item)).map(|draft| draft.source)
        };
        let own = held(None, Some(3));
        assert_eq!(source(&[], None, &own), Ok(Source::Held));
        assert_eq!(
            source(&[("url", page)], None, &own),
            Ok(Source::Page(page.into()))
        );
        // An address that was let in before the rule stays until it is changed.
        let old = held(Some("https://example.org/v"), None);
        assert_eq!(
            source(&[("url", "https://example.org/v")], None, &old),
            Ok(Source::Held)
        );
        assert_eq!(
            source(&[("url", "https://example.org/v")], Some("a.mp4"), &old),
            Ok(Source::Arrived)
        );
        assert!(source(&[("url", "")], None, &old).is_err());
    }

    proptest! {
        #[test]
        fn a_draft_always_has_a_title_that_fits(title in any::<String>(), name in any::<String>()) {
            let judged = judge(ItemKind::File, &[("title", &title)], Some(&name), None);
            if let Ok(draft) = judged {
                let length = draft.title.chars().count();
                prop_assert!((1..=TITLE_MAX).contains(&length), "{:?}", draft.title);
            }
        }
    }
}
