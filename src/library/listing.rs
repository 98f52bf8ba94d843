//! Which of somebody's files are asked for, in which order: read from the address, judged, and applied.
//!
//! Pure. One person has some thousand files at most: their names and figures are read in one query and
//! looked through here, so that upper and lower case mean the same in every language and on both engines.

use crate::entities::upload::{UploadKind, UploadState};
use crate::web::paging::Paging;
use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use serde::Deserialize;
use std::cmp::Ordering;
use url::form_urlencoded::Serializer;

/// Files a page.
const PAGE: u64 = 20;
/// More is not looked for, in characters.
const LONGEST_QUERY: usize = 200;

/// The library's own path.
pub const PATH: &str = "/library/";

/// What stands in the address. What cannot be understood counts as not said.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Asked {
    q: Option<String>,
    kind: Option<String>,
    state: Option<String>,
    sort: Option<String>,
    order: Option<String>,
    page: Option<String>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// As typed.
    pub query: String,
    /// Only of this kind.
    pub kind: Option<UploadKind>,
    /// Only those that stand so.
    pub state: Option<Standing>,
    /// By what they are sorted.
    pub sort: Sort,
    /// Whether the largest, longest or newest come first.
    pub is_descending: bool,
    /// From 1.
    pub page: Option<u64>,
}

/// How a file stands, as far as the filter tells it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It can be seen.
    Ready,
    /// It waits or is processed.
    OnItsWay,
    /// It could not be processed.
    Failed,
    /// She stopped its processing.
    Stopped,
}

/// The columns by which files are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// By name.
    Name,
    /// By playing time.
    Length,
    /// By size.
    Size,
    /// By the time at which it came in.
    Added,
}

/// A file, as far as it must be known to look through all of them.
#[derive(Debug, Clone, PartialEq, FromQueryResult)]
pub struct Entry {
    /// Number of the upload.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: UploadKind,
    /// Where it stands.
    pub state: UploadState,
    /// Its size.
    pub size_bytes: i64,
    /// Its playing time.
    pub duration_seconds: Option<f64>,
    /// When it came in.
    pub created_at: DateTime<Utc>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The files of the page, in order.
    pub ids: Vec<i64>,
    /// Which page of how many.
    pub paging: Paging,
    /// Files that fit but for their kind, by kind; [`None`] for all of them.
    pub counts: Vec<(Option<UploadKind>, usize)>,
}

/// The kinds in the order of their chips.
pub const KINDS: [Option<UploadKind>; 5] = [
    None,
    Some(UploadKind::Video),
    Some(UploadKind::Audio),
    Some(UploadKind::Image),
    Some(UploadKind::File),
];

impl Standing {
    /// All of them, in the order of the filter.
    pub const ALL: [Self; 4] = [Self::Ready, Self::OnItsWay, Self::Failed, Self::Stopped];

    /// Its name in the address.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::OnItsWay => "moving",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }

    /// Its name on the page.
    pub fn words(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::OnItsWay => "On its way",
            Self::Failed => "Failed",
            Self::Stopped => "Stopped",
        }
    }

    fn of(state: UploadState) -> Self {
        match state {
            UploadState::Waiting | UploadState::Processing => Self::OnItsWay,
            UploadState::Ready => Self::Ready,
            UploadState::Failed => Self::Failed,
            UploadState::Canceled => Self::Stopped,
        }
    }
}

impl Sort {
    /// Its name in the address.
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Length => "length",
            Self::Size => "size",
            Self::Added => "added",
        }
    }

    fn named(name: &str) -> Self {
        match name {
            "name" => Self::Name,
            "length" => Self::Length,
            "size" => Self::Size,
            _ => Self::Added,
        }
    }

    /// Names begin with A; of the others, the longest, largest and newest are looked for.
    fn begins_descending(self) -> bool {
        self != Self::Name
    }
}

/// The name of a kind in the address.
fn kind_name(kind: UploadKind) -> &'static str {
    match kind {
        UploadKind::Video => "video",
        UploadKind::Audio => "audio",
        UploadKind::Image => "image",
        UploadKind::File => "file",
    }
}

impl Wanted {
    /// Reads the address.
    pub fn of(asked: &Asked) -> Self {
        let text = |field: &Option<String>| field.as_deref().unwrap_or("").trim().to_owned();
        let sort = Sort::named(&text(&asked.sort));
        let kind = text(&asked.kind);
        let state = text(&asked.state);
        Self {
            query: cut(&text(&asked.q)),
            kind: KINDS
                .into_iter()
                .flatten()
                .find(|known| kind_name(*known) == kind),
            state: Standing::ALL
                .into_iter()
                .find(|known| known.name() == state),
            sort,
            is_descending: match text(&asked.order).as_str() {
                "asc" => false,
                "desc" => true,
                _ => sort.begins_descending(),
            },
            page: text(&asked.page).parse().ok(),
        }
    }

    /// The address of the same with another kind, from its first page.
    pub fn with_kind(&self, kind: Option<UploadKind>) -> String {
        Self {
            kind,
            page: None,
            ..self.clone()
        }
        .path()
    }

    /// The address of the same sorted by a column; the other way round when it is already.
    pub fn sorted_by(&self, sort: Sort) -> String {
        let is_descending = if self.sort == sort {
            !self.is_descending
        } else {
            sort.begins_descending()
        };
        Self {
            sort,
            is_descending,
            page: None,
            ..self.clone()
        }
        .path()
    }

    /// The address of another page.
    pub fn at_page(&self, page: u64) -> String {
        Self {
            page: Some(page),
            ..self.clone()
        }
        .path()
    }

    /// What the form of words, state and column must send besides to leave the rest as it is.
    pub fn kept(&self) -> Vec<(&'static str, &'static str)> {
        let mut kept = Vec::new();
        if let Some(kind) = self.kind {
            kept.push(("kind", kind_name(kind)));
        }
        let order = self
            .sorting()
            .into_iter()
            .filter(|(name, _)| *name == "order");
        kept.extend(order);
        kept
    }

    /// Its address; what is usual is left out.
    pub fn path(&self) -> String {
        let mut pairs = Serializer::new(String::new());
        if !self.query.is_empty() {
            pairs.append_pair("q", &self.query);
        }
        if let Some(kind) = self.kind {
            pairs.append_pair("kind", kind_name(kind));
        }
        if let Some(state) = self.state {
            pairs.append_pair("state", state.name());
        }
        pairs.extend_pairs(self.sorting());
        if let Some(page) = self.page.filter(|page| *page > 1) {
            pairs.append_pair("page", &page.to_string());
        }
        match pairs.finish().as_str() {
            "" => PATH.to_owned(),
            query => format!("{PATH}?{query}"),
        }
    }

    fn sorting(&self) -> Vec<(&'static str, &'static str)> {
        let mut pairs = Vec::new();
        if self.sort != Sort::Added {
            pairs.push(("sort", self.sort.name()));
        }
        if self.is_descending != self.sort.begins_descending() {
            let order = if self.is_descending { "desc" } else { "asc" };
            pairs.push(("order", order));
        }
        pairs
    }

    /// Finds and sorts.
    pub fn find(&self, entries: Vec<Entry>) -> Found {
        let words: Vec<String> = folded(&self.query)
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        let mut fitting: Vec<(String, Entry)> = entries
            .into_iter()
            .filter(|entry| {
                self.state
                    .is_none_or(|state| Standing::of(entry.state) == state)
            })
            .map(|entry| (folded(&entry.name), entry))
            .filter(|(name, _)| words.iter().all(|word| name.contains(word.as_str())))
            .collect();
        let counts = KINDS.map(|kind| {
            let count = fitting.iter().filter(|(_, entry)| is_of(entry, kind));
            (kind, count.count())
        });
        fitting.retain(|(_, entry)| is_of(entry, self.kind));
        fitting.sort_by(|one, other| self.compare(one, other));
        let total = u64::try_from(fitting.len()).unwrap_or(u64::MAX);
        let paging = Paging::new(self.page, PAGE, total);
        let before = usize::try_from(paging.offset()).unwrap_or(usize::MAX);
        let most = usize::try_from(PAGE).unwrap_or(usize::MAX);
        let shown = fitting.into_iter().skip(before).take(most);
        Found {
            ids: shown.map(|(_, entry)| entry.id).collect(),
            paging,
            counts: counts.to_vec(),
        }
    }

    /// Ties are broken by number, newest first. What has no length comes last either way.
    fn compare(
        &self,
        (name, one): &(String, Entry),
        (other_name, other): &(String, Entry),
    ) -> Ordering {
        let turned = |ordering: Ordering| {
            if self.is_descending {
                ordering.reverse()
            } else {
                ordering
            }
        };
        let ordering = match self.sort {
            Sort::Name => turned(name.cmp(other_name)),
            Sort::Size => turned(one.size_bytes.cmp(&other.size_bytes)),
            Sort::Added => turned(one.created_at.cmp(&other.created_at)),
            Sort::Length => match (one.duration_seconds, other.duration_seconds) {
                (Some(one), Some(other)) => turned(one.total_cmp(&other)),
                (one, other) => other.is_some().cmp(&one.is_some()),
            },
        };
        ordering.then(other.id.cmp(&one.id))
    }
}

fn cut(query: &str) -> String {
    let most: String = query.chars().take(LONGEST_QUERY).collect();
    most.trim_end().to_owned()
}

fn is_of(entry: &Entry, kind: Option<UploadKind>) -> bool {
    kind.is_none_or(|kind| entry.kind == kind)
}

/// As it is compared.
fn folded(text: &str) -> String {
    text.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn asked(query: &str) -> Asked {
        serde_urlencoded(query)
    }

    fn serde_urlencoded(query: &str) -> Asked {
        let mut asked = Asked::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let field = match &*name {
                "q" => &mut asked.q,
                "kind" => &mut asked.kind,
                "state" => &mut asked.state,
                "sort" => &mut asked.sort,
                "order" => &mut asked.order,
                _ => &mut asked.page,
            };
            *field = Some(value.into_owned());
        }
        asked
    }

    fn entry(id: i64, name: &str, kind: UploadKind) -> Entry {
        Entry {
            id,
            name: name.into(),
            kind,
            state: UploadState::Ready,
            size_bytes: id * 10,
            duration_seconds: None,
            created_at: DateTime::from_timestamp(id, 0).unwrap(),
        }
    }

    fn ids(query: &str, entries: &[Entry]) -> Vec<i64> {
        Wanted::of(&asked(query)).find(entries.to_vec()).ids
    }

    #[test]
    fn files_are_found_by_any_words_of_their_name_in_any_case() {
        let files = [
            entry(1, "Übung Nr. 5.mp3", UploadKind::Audio),
            entry(2, "übung.mp4", UploadKind::Video),
            entry(3, "100%_bow.pdf", UploadKind::File),
        ];
        assert_eq!(ids("q=ÜBUNG", &files), [2, 1]);
        assert_eq!(ids("q=5+übung", &files), [1]);
        assert_eq!(ids("q=%25_", &files), [3]);
        assert_eq!(ids("q=übung&kind=audio", &files), [1]);
        let found = Wanted::of(&asked("q=übung&kind=audio")).find(files.to_vec());
        let counts: Vec<usize> = found.counts.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [2, 1, 1, 0, 0]);
    }

    #[test]
    fn files_are_sorted_by_each_column_both_ways() {
        let mut files = [
            entry(1, "b", UploadKind::Audio),
            entry(2, "A", UploadKind::Audio),
            entry(3, "c", UploadKind::File),
        ];
        files[0].duration_seconds = Some(9.0);
        files[1].duration_seconds = Some(3.0);
        assert_eq!(ids("", &files), [3, 2, 1]);
        assert_eq!(ids("order=asc", &files), [1, 2, 3]);
        assert_eq!(ids("sort=name", &files), [2, 1, 3]);
        assert_eq!(ids("sort=name&order=desc", &files), [3, 1, 2]);
        assert_eq!(ids("sort=size", &files), [3, 2, 1]);
        assert_eq!(ids("sort=length", &files), [1, 2, 3]);
        assert_eq!(ids("sort=length&order=asc", &files), [2, 1, 3]);
    }

    #[test]
    fn a_head_that_is_pressed_again_turns_the_order() {
        let wanted = Wanted::of(&asked("q=a b&page=3"));
        assert_eq!(wanted.sorted_by(Sort::Added), "/library/?q=a+b&order=asc");
        assert_eq!(wanted.sorted_by(Sort::Name), "/library/?q=a+b&sort=name");
        let by_name = Wanted::of(&asked("sort=name"));
        assert_eq!(
            by_name.sorted_by(Sort::Name),
            "/library/?sort=name&order=desc"
        );
        assert_eq!(Wanted::of(&asked("")).path(), PATH);
    }

    proptest! {
        #[test]
        fn whatever_stands_in_the_address_is_an_address_again(
            q in "\\PC{0,300}", kind in "\\PC{0,6}|video", state in "\\PC{0,6}|failed",
            sort in "\\PC{0,6}|name", order in "asc|desc|x", page in "[0-9]{0,25}|-1",
        ) {
            let asked = Asked {
                q: Some(q), kind: Some(kind), state: Some(state),
                sort: Some(sort), order: Some(order), page: Some(page),
            };
            let wanted = Wanted::of(&asked);
            let path = wanted.path();
            let query = path.strip_prefix(PATH).unwrap().trim_start_matches('?');
            let again = Wanted::of(&serde_urlencoded(query));
            let page = wanted.page.filter(|page| *page > 1);
            prop_assert_eq!(Wanted { page, ..wanted.clone() }, again);
            let found = wanted.find(vec![entry(1, "a", UploadKind::File)]);
            prop_assert!(found.ids.len() <= 1);
        }
    }
}
