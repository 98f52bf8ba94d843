//! The media engine: what kind of file something is, and turning recordings and pictures into what browsers show.
//! Files in, files out: no database, no HTTP, no jobs. Everything written goes into the folder the caller names.
//!
//! ```text
//! sniff -> probe -> video | audio (measure, encode, poster), or images
//! ```

mod audio;
mod fault;
mod images;
mod loudness;
mod probe;
mod process;
mod progress;
mod sniff;
#[cfg(test)]
mod tests;
mod tools;
mod video;

pub use audio::{Audio, AudioFile, AudioFormat, audio};
pub use fault::{Fault, FaultKind};
pub use images::{ImageFile, ImageLimits, WIDTHS, make_sizes};
pub use loudness::{Loudness, PEAK_CEILING_DBTP, TARGET_LUFS};
pub use probe::{AudioStream, Probe, VideoStream, probe};
pub use progress::Progress;
pub use sniff::{HEAD_BYTES, Kind, NotAccepted, Sniffed, playlist, sniff};
pub use tools::{Limits, Tools, Version};
pub use video::{Video, video};
