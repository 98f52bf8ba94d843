//! What the members of groups may do, by name: to view, add, change and delete courses, modules and contents. The group
//! Instructors holds all of it. Whose thing it is is asked besides; staff may everything.
//!
//! [`admin`]: parts of the admin site, for people who run some of it without being staff (decision 0032).

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

/// Whether there is a permission of this name.
pub fn is_known(name: &str) -> bool {
    ALL.contains(&name) || admin::ALL.contains(&name)
}

/// What somebody who is not of the staff may do in the admin site. What staff alone may is no permission: to give and take
/// rights, groups and permissions, and to touch the account of anybody who has a part in running the site.
pub mod admin {
    /// To look at subjects there.
    pub const VIEW_SUBJECT: &str = "admin.view_subject";
    /// To make subjects.
    pub const ADD_SUBJECT: &str = "admin.add_subject";
    /// To change subjects.
    pub const CHANGE_SUBJECT: &str = "admin.change_subject";
    /// To delete subjects.
    pub const DELETE_SUBJECT: &str = "admin.delete_subject";
    /// To look at everybody's courses and contents there.
    pub const VIEW_COURSE: &str = "admin.view_course";
    /// To make courses for others.
    pub const ADD_COURSE: &str = "admin.add_course";
    /// To change everybody's courses and their modules.
    pub const CHANGE_COURSE: &str = "admin.change_course";
    /// To delete everybody's courses.
    pub const DELETE_COURSE: &str = "admin.delete_course";
    /// To look at who is in which course.
    pub const VIEW_ENROLLMENT: &str = "admin.view_enrollment";
    /// To enroll others.
    pub const ADD_ENROLLMENT: &str = "admin.add_enrollment";
    /// To take others out of a course.
    pub const DELETE_ENROLLMENT: &str = "admin.delete_enrollment";
    /// To look at accounts.
    pub const VIEW_USER: &str = "admin.view_user";
    /// To make accounts, without rights.
    pub const ADD_USER: &str = "admin.add_user";
    /// To change accounts that have no part in running the site: name, mail, password, sessions, open or shut.
    pub const CHANGE_USER: &str = "admin.change_user";
    /// To look at everybody's uploads.
    pub const VIEW_UPLOAD: &str = "admin.view_upload";
    /// To delete everybody's uploads.
    pub const DELETE_UPLOAD: &str = "admin.delete_upload";
    /// To look at the list of rooms.
    pub const VIEW_ROOM: &str = "admin.view_room";
    /// To lock and unlock rooms.
    pub const CHANGE_ROOM: &str = "admin.change_room";
    /// To look at the list of everybody's keys.
    pub const VIEW_TOKEN: &str = "admin.view_token";
    /// To revoke the keys of accounts that have no part in running the site.
    pub const DELETE_TOKEN: &str = "admin.delete_token";
    /// To look at the queue.
    pub const VIEW_JOB: &str = "admin.view_job";
    /// To retry and cancel jobs, and to pause a queue.
    pub const CHANGE_JOB: &str = "admin.change_job";
    /// To read the log of changes.
    pub const VIEW_LOG: &str = "admin.view_log";

    /// What staff alone may: no group holds it, since it is none of [`ALL`].
    pub const STAFF: &str = "admin.staff";

    /// All that a group may hold.
    pub const ALL: [&str; 23] = [
        VIEW_SUBJECT,
        ADD_SUBJECT,
        CHANGE_SUBJECT,
        DELETE_SUBJECT,
        VIEW_COURSE,
        ADD_COURSE,
        CHANGE_COURSE,
        DELETE_COURSE,
        VIEW_ENROLLMENT,
        ADD_ENROLLMENT,
        DELETE_ENROLLMENT,
        VIEW_USER,
        ADD_USER,
        CHANGE_USER,
        VIEW_UPLOAD,
        DELETE_UPLOAD,
        VIEW_ROOM,
        CHANGE_ROOM,
        VIEW_TOKEN,
        DELETE_TOKEN,
        VIEW_JOB,
        CHANGE_JOB,
        VIEW_LOG,
    ];

    /// With what all of them begin.
    pub const PREFIX: &str = "admin.";
}
