//! Parts of pages, kept: what of a page is the same for everybody is made once, and each page puts its visitor's few
//! lines between.
//!
//! A fragment is known by what it shows (kind and number), in which variant and language; never by a title, of
//! which there may be two. It rests on tags (`web::tags`) and is gone for the next request once one changes.
//! Whole answers are kept by `web::response_cache`.

use crate::app::App;
use crate::config::Config;
use crate::error::Result;
use crate::web::tags::Tag;
use backends::cache::Timeout;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The language of the pages.
pub const LANGUAGE: &str = "en";

/// Which part of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// What is shown: `course`, for example. A word without spaces.
    pub kind: &'static str,
    /// Which one.
    pub id: i64,
    /// How it is shown, where there are several ways; else empty. Only values out of a bounded set, without spaces.
    pub variant: &'a str,
    /// In which language.
    pub language: &'a str,
}

impl<'a> Fragment<'a> {
    /// In the language of the pages, in the one way there is.
    pub fn of(kind: &'static str, id: i64) -> Self {
        Self {
            kind,
            id,
            variant: "",
            language: LANGUAGE,
        }
    }

    /// In one of several ways.
    #[must_use]
    pub fn variant(mut self, variant: &'a str) -> Self {
        self.variant = variant;
        self
    }

    /// The kept fragment while none of these tags has changed, else what `make` makes. Many who ask at once share
    /// one making.
    ///
    /// # Errors
    /// Those of `make`, and when the versions of the tags cannot be read.
    pub async fn get_or_make<T, F, Fut>(&self, app: &App, tags: &[Tag], make: F) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let key = self.key(&edition(&app.config));
        app.tagged
            .get_or_set(&key, tags, Timeout::Default, make)
            .await
    }

    fn key(&self, edition: &str) -> String {
        let Self {
            kind,
            id,
            variant,
            language,
        } = self;
        format!("fragment:{edition}:{kind}:{id}:{variant}:{language}")
    }
}

/// Stands for the release and for those settings that pages show: what another one has kept in a cache that both
/// use would have its words, and the addresses of its styles and scripts.
pub fn edition(config: &Config) -> String {
    let mut digest = Sha256::new();
    for part in [
        env!("SITE_RELEASE"),
        config.site_name.as_str(),
        config.public_url.as_ref().map_or("", |url| url.as_str()),
    ] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    let digest = digest.finalize();
    digest.iter().take(4).fold(String::new(), |mut text, byte| {
        // Writing into a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::Fragment;

    #[test]
    fn a_fragment_is_told_apart_by_kind_number_variant_and_language() {
        let fragments = [
            Fragment::of("course", 1),
            Fragment::of("course", 11),
            Fragment::of("subject", 1),
            Fragment::of("course", 1).variant("small"),
            Fragment {
                language: "de",
                ..Fragment::of("course", 1)
            },
        ];
        let keys: Vec<String> = fragments.iter().map(|one| one.key("e")).collect();
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[at + 1..].contains(key), "{key}");
        }
    }
}
