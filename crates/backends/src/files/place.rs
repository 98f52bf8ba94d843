//! Where a file store's objects are, to be compared: two URLs can name one place, and one place can lie in
//! another.

use std::path::PathBuf;

/// How the places of two file stores stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Neither holds anything of the other, as far as their names tell: a store may have several addresses.
    Apart,
    /// They are one place.
    Same,
    /// One lies in the other.
    Nested,
}

/// Where objects are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The store and its bucket; empty for the disk.
    pub store: String,
    /// The folder there: on the disk a whole path without links.
    pub folder: PathBuf,
}

impl Place {
    /// How this place stands to another.
    pub fn standing(&self, other: &Self) -> Standing {
        let (one, two) = (&self.folder, &other.folder);
        if self == other {
            Standing::Same
        } else if self.store == other.store && (one.starts_with(two) || two.starts_with(one)) {
            Standing::Nested
        } else {
            Standing::Apart
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_compared_by_whole_names_of_folders() {
        let at = |store: &str, folder: &str| Place {
            store: store.to_owned(),
            folder: folder.into(),
        };
        for (one, two, standing) in [
            (at("", "/a"), at("", "/a"), Standing::Same),
            (at("", "/a"), at("", "/a/b"), Standing::Nested),
            (at("", "/a"), at("", "/ab"), Standing::Apart),
            (at("s/b", ""), at("s/b", "a/b"), Standing::Nested),
            (at("s/b", ""), at("s/c", ""), Standing::Apart),
            (at("s/b", "a"), at("s/b", "c"), Standing::Apart),
        ] {
            assert_eq!(one.standing(&two), standing, "{one:?} {two:?}");
            assert_eq!(two.standing(&one), standing, "{two:?} {one:?}");
        }
    }
}
