//! Learning: who is in which course, what a student has done, and where she stopped; the pages on
//! which courses are studied.
//!
//! Verbs that others call stand here: enrolling, who may study a course, and the HTML of an item as
//! lessons and the API show it. Finding and writing courses is the feature `courses`, stored files are
//! the feature `media`.

mod admission;
pub mod api;
mod by_staff;
mod deciding;
mod enrollments;
pub mod entry;
mod handed;
mod invitations;
pub mod joining;
pub mod lesson;
mod logged;
pub mod marks;
mod material;
pub mod pages;
mod progress;
mod render;
mod shelf;
mod store;
pub mod transcript;

pub use admission::{FillPlaces, Standing, ask_to_enroll};
pub use by_staff::{enroll_by_staff, enrollment_facts, facts_of, list_enrolled, remove_by_staff};
pub use progress::{set_done, set_position, stop_at};
pub use render::{Playback, render_item};
pub use store::{enroll, is_enrolled, may_study};

/// The path of a course's lesson, of one of its modules, or of a content in it.
pub fn lesson_path(course_id: i64, module_id: Option<i64>, content_id: Option<i64>) -> String {
    match (module_id, content_id) {
        (None, _) => format!("/students/course/{course_id}/"),
        (Some(module), None) => format!("/students/course/{course_id}/{module}/"),
        (Some(module), Some(content)) => {
            format!("/students/course/{course_id}/{module}/#content-{content}")
        }
    }
}
