//! x
pub mod demo;
pub mod media;
