//! Whether the files of a course have room here, before any of them is stored.

use super::document::CourseDocument;
use crate::config::Config;
use crate::web::metrics::machine;
use crate::web::text;
use std::path::Path;

/// What is wanted of a disk, and in words why.
const FILES: &str = "all its files";
const LARGEST: &str = "its largest file, on its way to the store";

/// Why they have no room, in words; nothing when they do. Each file is copied to the data folder on its way.
pub(super) fn fault(config: &Config, document: &CourseDocument) -> Option<String> {
    let largest = document.stored_bytes().max().unwrap_or(0);
    let on_its_way = too_full(LARGEST, largest, &config.data, free(&config.data));
    on_its_way.or_else(|| {
        let folder = config.files_folder()?;
        let all = document.stored_bytes().sum();
        too_full(FILES, all, &folder, free(&folder))
    })
}

/// What is free on the disk of a folder, where it tells.
fn free(folder: &Path) -> Option<u64> {
    machine::disk(folder).ok().map(|disk| disk.free_bytes)
}

fn too_full(what: &str, needed: u64, folder: &Path, free: Option<u64>) -> Option<String> {
    let size = |bytes: u64| text::size(i64::try_from(bytes).unwrap_or(i64::MAX));
    let free = free.filter(|free| needed > *free)?;
    Some(format!(
        "{what} need {}, and the disk of {} has {} left",
        size(needed),
        folder.display(),
        size(free)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_on_the_disk_is_told_with_what_is_left() {
        let told = |needed, free| too_full(FILES, needed, Path::new("/srv/files"), free);
        assert_eq!(told(1_000, Some(1_000)), None);
        assert_eq!(told(1_000, None), None);
        let words = told(2_000_000, Some(1_000_000)).unwrap();
        assert!(
            words.contains("2.0 MB") && words.contains("1.0 MB left"),
            "{words}"
        );
        assert!(words.contains("/srv/files"), "{words}");
    }
}
