#![cfg(test)]
//! Behavior of the whole site: a file a feature, over real HTTP.

mod accounts;
mod accounts_cli;
mod batches;
mod captions;
mod cloud;
mod contents;
mod corpus;
mod courses;
mod credentials;
mod csrf;
mod demo;
mod docs;
mod faults;
mod files;
mod hostile;
mod house;
mod imports;
mod jobs;
mod kit;
mod learning;
mod library;
mod media;
mod messages;
mod outline;
mod permission;
mod process;
mod processing;
mod replacing;
mod response_cache;
mod sns;
mod stopping;
mod tags;
mod tus;
mod uploads;
mod workers;
