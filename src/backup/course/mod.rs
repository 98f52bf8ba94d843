//! A course with its media in one file, from one site to another: `lyceum export` and `lyceum import`.
//!
//! The archive is one like a backup's: `course.json`, then `files/<n>/<name>` for every stored file of the n-th upload,
//! and last `manifest.json` with the size and SHA-256 of each. People stay where they are: there are no enrollments, marks
//! or lines of the room in it. What was ready is ready again; what was still to be processed is processed there.

mod document;
mod export;
mod import;
mod room;

pub use export::{Exported, export};
pub use import::{Imported, Wish, import};

/// The part that says what the course is made of.
const COURSE: &str = "course.json";

/// Where a stored file of the n-th upload is in the archive.
fn part_of(file: usize, name: &str) -> String {
    format!("{}{file}/{name}", super::manifest::part::FILES)
}
