//! Subjects, courses, modules and contents for programs, under `/api/`.
//!
//! Each file declares a resource: what it answers and takes, who may, and what does it. The rules of what may stand in
//! a course are those of the pages; what belongs to studying is added by the feature `learning`.

mod authoring;
mod captions;
mod content_view;
mod contents;
mod courses;
mod modules;
mod processing;
mod subjects;
mod views;

pub use contents::contents;
pub use courses::{CourseHead, courses, find_course};
pub use modules::modules;
pub use subjects::subjects;
pub use views::{COURSE, ContentView, CourseView, FULL_COURSE, ModuleView, with_modules};
