//! Lyceum: a learning platform in one binary.
//!
//! docs/ARCHITECTURE.md has the map. In short: `router` lists every route by feature; a
//! feature (`accounts`, `courses`, `learning`, `media`, `messages`, `chat`) is a folder with its
//! pages, its verbs and its queries; `web` and `jobs` are what features share; `entities`
//! and `migrations` are the schema; `backends` is a crate of its own.

pub mod accounts;
pub mod admin;
pub mod app;
pub mod backup;
pub mod chat;
pub mod cli;
pub mod config;
pub mod courses;
pub mod db;
pub mod demo;
pub mod entities;
pub mod error;
pub mod jobs;
pub mod learning;
pub mod library;
pub mod media;
pub mod messages;
pub mod migrations;
pub mod registry;
pub mod router;
pub mod web;
