//! `/api/users/` and `/api/groups/`: who people are, and what they may.
//!
//! Keys are not here: a key that could make another would outlive its own end. They are made on their page and at the
//! terminal.

mod acts;
mod changing;
mod groups;
mod users;

pub use groups::groups;
pub use users::users;
