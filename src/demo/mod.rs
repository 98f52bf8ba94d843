//! The demo school: content to try the site with.
//!
//! What it consists of is data under `demo/` and is read by [`school`]. Its recordings and pictures are made by
//! `demo/recordings.sh`.

pub mod school;
