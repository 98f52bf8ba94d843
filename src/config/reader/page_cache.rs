//! How whole pages are kept.

use super::Reader;

/// Prefixes are a part of every name.
const LONGEST_PREFIX: usize = 50;

impl Reader<'_> {
    pub(super) fn page_cache(&mut self) -> String {
        let name = self.text("page_cache");
        if name != "default" && !backends::cache::is_name(&name) {
            self.fault("page_cache", "the name of a cache is expected");
        }
        name
    }

    pub(super) fn page_cache_prefix(&mut self) -> String {
        let prefix = self.text("page_cache_prefix");
        let is_plain = prefix
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if prefix.len() > LONGEST_PREFIX || !is_plain {
            self.fault(
                "page_cache_prefix",
                "up to 50 letters, digits, dots, dashes and underscores are expected",
            );
        }
        prefix
    }
}
