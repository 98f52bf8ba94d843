//! The steps that build the database, oldest first, for SQLite and PostgreSQL alike.
//!
//! A step that has landed is never changed; the next change is the next file. Each step is
//! forward-compatible by one version: nodes of the version before go on working after it, which
//! `tests/it/migrations.rs` tries with each (decision 0041).

use sea_orm_migration::prelude::*;

mod m0001_accounts;
mod m0002_media;
mod m0003_courses;
mod m0004_jobs_and_messages;
mod m0005_search;
mod m0006_tus;
mod m0007_player;
mod m0008_processing;
mod m0009_cloud;
mod m0010_replacing;
mod m0011_cache;
mod m0012_tags;
mod m0014_token_scopes;
mod m0016_rooms;
mod m0017_room_life;
mod m0018_kept_answers;
mod m0019_audit;
mod m0020_overview;
mod m0021_doors;
mod m0022_room_pictures;
mod m0023_invitations_end;
mod m0024_found_by_index;
mod m0025_revisions;

/// All steps, in order.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_accounts::Migration),
            Box::new(m0002_media::Migration),
            Box::new(m0003_courses::Migration),
            Box::new(m0004_jobs_and_messages::Migration),
            Box::new(m0005_search::Migration),
            Box::new(m0006_tus::Migration),
            Box::new(m0007_player::Migration),
            Box::new(m0008_processing::Migration),
            Box::new(m0009_cloud::Migration),
            Box::new(m0010_replacing::Migration),
            Box::new(m0011_cache::Migration),
            Box::new(m0012_tags::Migration),
            Box::new(m0014_token_scopes::Migration),
            Box::new(m0016_rooms::Migration),
            Box::new(m0017_room_life::Migration),
            Box::new(m0018_kept_answers::Migration),
            Box::new(m0019_audit::Migration),
            Box::new(m0020_overview::Migration),
            Box::new(m0021_doors::Migration),
            Box::new(m0022_room_pictures::Migration),
            Box::new(m0023_invitations_end::Migration),
            Box::new(m0024_found_by_index::Migration),
            Box::new(m0025_revisions::Migration),
        ]
    }
}
