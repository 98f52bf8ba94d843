//! The services of a Lyceum site that can be swapped by a URL in its configuration.
//! Nothing here knows of courses or users, and nothing here imports from the site.
//!
//! - [`cache`]: values kept for a while: memory, or off.
//! - [`bus`]: publish and subscribe between the processes of one site: database, or memory.
//! - [`files`]: stored objects: disk.
//! - [`mail`]: letters: SMTP, a folder, or the log.
//! - [`media`]: the local transcoder: ffmpeg within bounds, and pictures.
//! - [`transcoder`]: who converts recordings: [`media`], or [`mediaconvert`] in the cloud.
//! - [`sns`]: messages of Amazon SNS, believed only when their signature holds.
//! - [`https`]: small fetches, bounded in every way.
//! - [`bounded`]: connections to the database on which nobody waits for ever.
//! - [`clock`]: time and randomness, so that tests can fix both.

pub mod bounded;
pub mod bus;
pub mod cache;
pub mod clock;
pub mod files;
pub mod https;
pub mod mail;
pub mod media;
pub mod mediaconvert;
pub mod sns;
pub mod transcoder;
