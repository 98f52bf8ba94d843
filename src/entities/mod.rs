//! The whole schema at a glance: one SeaORM entity a table.
//!
//! Entities hold columns and relations, no behavior; queries live in the features'
//! `store.rs`. The tables themselves are made in `crate::migrations`.

pub mod account_link;
pub mod announcement;
pub mod audit_entry;
pub mod chat_act;
pub mod chat_limit;
pub mod chat_line;
pub mod chat_mention;
pub mod chat_picture;
pub mod chat_read;
pub mod chat_room;
pub mod chat_ticket;
pub mod content;
pub mod course;
pub mod csv_import;
pub mod done_mark;
pub mod enrollment;
pub mod enrollment_request;
pub mod figure;
pub mod group;
pub mod group_permission;
pub mod invitation;
pub mod invitation_use;
pub mod item;
pub mod job;
pub mod job_line;
pub mod kept_answer;
pub mod message;
pub mod module;
pub mod node;
pub mod paused_kind;
pub mod playback_position;
pub mod recovery_code;
pub mod rendition;
pub mod second_factor;
pub mod session;
pub mod sns_message;
pub mod subject;
pub mod tag_version;
pub mod token;
pub mod transcoding;
pub mod tus_upload;
pub mod upload;
pub mod upload_batch;
pub mod upload_progress;
pub mod user;
pub mod user_group;
