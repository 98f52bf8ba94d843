//! What the members of groups may do, by name: to view, add, change and delete courses, modules and contents. The group
//! Instructors holds all of it. Whose thing it is is asked besides; staff may everything.

use crate::error::{Error, Result};
use crate::web::identity::Person;

/// To see the places of a teacher.
pub const VIEW_COURSE: &str = "courses.view_course";
/// To make courses.
pub const ADD_COURSE: &str = "courses.add_course";
/// To change courses, and to publish and withdraw them.
pub const CHANGE_COURSE: &str = "courses.change_course";
/// To delete courses.
pub const DELETE_COURSE: &str = "courses.delete_course";
/// To see how modules are made up.
pub const VIEW_MODULE: &str = "courses.view_module";
/// To make modules.
pub const ADD_MODULE: &str = "courses.add_module";
/// To change modules and their order.
pub const CHANGE_MODULE: &str = "courses.change_module";
/// To delete modules.
pub const DELETE_MODULE: &str = "courses.delete_module";
/// To see how contents are made up.
pub const VIEW_CONTENT: &str = "courses.view_content";
/// To make contents.
pub const ADD_CONTENT: &str = "courses.add_content";
/// To change contents, their captions and their order.
pub const CHANGE_CONTENT: &str = "courses.change_content";
/// To delete contents.
pub const DELETE_CONTENT: &str = "courses.delete_content";

/// All of them, as they are named in groups.
pub const ALL: [&str; 12] = [
    VIEW_COURSE,
    ADD_COURSE,
    CHANGE_COURSE,
    DELETE_COURSE,
    VIEW_MODULE,
    ADD_MODULE,
    CHANGE_MODULE,
    DELETE_MODULE,
    VIEW_CONTENT,
    ADD_CONTENT,
    CHANGE_CONTENT,
    DELETE_CONTENT,
];

/// Lets her go on who has this permission.
///
/// # Errors
/// [`Error::Forbidden`].
pub fn require(person: &Person, permission: &str) -> Result<()> {
    if person.may(permission) {
        Ok(())
    } else {
        Err(Error::forbidden())
    }
}
