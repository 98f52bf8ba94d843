//! Recordings and pictures of courses.

pub mod engine;
