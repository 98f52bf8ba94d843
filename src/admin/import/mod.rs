//! Enrolling many people from a CSV file. The file is looked through as a whole and nothing is changed by that: the page
//! tells what would happen and names every line that cannot be used. Only a yes to that page enrolls, all of them in one
//! transaction or nobody.
//!
//! `read` takes the lines apart, `judge` finds who and what they mean, `pages` asks and does.

mod judge;
pub mod pages;
mod read;
