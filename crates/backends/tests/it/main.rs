#![cfg(test)]
//! The services against the real thing: files, SQLite, and PostgreSQL where `LYCEUM_TEST_POSTGRES`
//! names a server on which databases may be made.

mod bus;
mod cache;
mod files;
mod mail;
