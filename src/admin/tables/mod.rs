//! The tables of the admin site, each declared once: `admin::table` makes its pages.

mod contents;
mod course_form;
mod courses;
mod enrollments;
mod groups;
mod log;
mod people_acts;
mod rooms;
mod subjects;
mod tokens;
mod uploads;
mod users;
pub(super) mod who;

use super::table::{self, Routes, Table};
use std::sync::LazyLock;

/// All of them.
static TABLES: [&LazyLock<Table>; 10] = [
    &users::TABLE,
    &groups::TABLE,
    &subjects::TABLE,
    &courses::TABLE,
    &contents::TABLE,
    &enrollments::TABLE,
    &uploads::TABLE,
    &rooms::TABLE,
    &tokens::TABLE,
    &log::TABLE,
];

/// The routes of all tables.
pub fn routes() -> Routes {
    TABLES
        .iter()
        .flat_map(|table| table::routes(table))
        .collect()
}
