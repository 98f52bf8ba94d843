//! Courses: finding, reading about and writing them.

mod authoring;
mod catalogue;
mod modules;
mod order;
mod overview;
