//! Courses: subjects, modules, contents and their items, and the pages on which they are found,
//! read about and written.
//!
//! Verbs that others call stand here: what somebody owns, what a course holds and in which
//! order, and how its parts are deleted. Studying a course is the feature `learning`; stored
//! files are the feature `media`.

mod about;
mod admission;
pub mod api;
pub mod authoring;
mod by_staff;
pub mod captions;
mod card;
mod cards;
pub mod catalogue;
mod content_form;
mod content_store;
pub mod contents;
pub mod deletion;
mod facts;
mod fields;
mod figures;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod listing;
mod logged;
pub mod module_form;
pub mod modules;
pub mod moves;
pub mod order;
pub mod outline;
pub mod overview;
pub mod preview;
mod store;
mod syllabus;
mod video;
mod writing;

pub use admission::{ASK_AGAIN, count_taken, find_request, is_limited, place_in_line};
pub use api::{ContentView, CourseHead, CourseView, FULL_COURSE, find_course, with_modules};
pub use by_staff::{hold_any_course, insert_course_of, place_modules, set_owner};
pub use content_form::title_of;
pub use content_store::{add_file, placement};
pub use facts::{course_facts, facts_for_others, log_for_others, subject_facts};
pub use fields::{CourseChange, slug_fault};
pub use logged::Contents;
pub use store::{
    delete_contents, delete_modules, get_owned_content, get_owned_course, get_owned_module,
    hold_course, list_contents, list_modules, next_content_order, next_module_order, touch,
};
pub use video::video_page;
pub use writing::{
    ModuleChange, SubjectChange, delete_course, delete_subject, hold_subject, insert_course,
    insert_module, list_subjects, save_subject, update_course, update_module,
};
