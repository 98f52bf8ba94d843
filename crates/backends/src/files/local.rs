//! Objects as files on this machine, for programs that need a path.

use std::path::{Path, PathBuf};

/// An object as a file on this machine. It must only be read, and exists at least as long as this
/// value unless the object is deleted.
#[derive(Debug)]
pub struct LocalFile {
    path: PathBuf,
    /// Whether it is a copy, which goes with this value.
    is_copy: bool,
}

impl LocalFile {
    /// The object itself.
    pub(super) fn itself(path: PathBuf) -> Self {
        Self {
            path,
            is_copy: false,
        }
    }

    /// A copy of it.
    pub(super) fn copy(path: PathBuf) -> Self {
        Self {
            path,
            is_copy: true,
        }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for LocalFile {
    fn drop(&mut self) {
        if self.is_copy {
            // What cannot be removed now is swept later.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
