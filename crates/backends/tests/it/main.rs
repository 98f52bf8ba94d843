//! The services against the real thing: files, SQLite, and PostgreSQL where `LYCEUM_TEST_POSTGRES`
//! names a server on which databases may be made.
#![expect(
    clippy::unwrap_used,
    reason = "a failed step is a failed test, and says where"
)]

mod bus;
mod cache;
mod files;
mod mail;
