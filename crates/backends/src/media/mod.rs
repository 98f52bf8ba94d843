//! The media engine: what kind of file something is, and turning recordings and pictures into what browsers show.
//! Files in, files out: no database, no HTTP, no jobs. Everything written goes into the folder the caller names.
//!
//! ```text
//! sniff -> probe -> video (loudness, ladder, playlists, poster, sprites, chapters)
//!                 | audio (loudness, peaks, cover, chapters)
//!       -> images
//! ```

mod audio;
mod chapters;
mod cover;
mod fault;
mod frames;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod hls;
mod images;
mod ladder;
mod loudness;
mod media_file;
mod peaks;
mod playlists;
mod poster;
mod probe;
mod process;
mod progress;
mod report;
mod sniff;
mod sprites;
#[cfg(test)]
mod tests;
mod tools;
mod video;
mod vtt;

pub use audio::{Audio, AudioFile, AudioFormat, audio};
pub use chapters::Chapter;
pub use fault::{Fault, FaultKind};
pub use images::{ImageFile, ImageLimits, WIDTHS, make_sizes};
pub use loudness::{Loudness, PEAK_CEILING_DBTP, TARGET_LUFS};
pub use media_file::MediaFile;
pub use probe::{AudioStream, Probe, VideoStream, probe};
pub use progress::Progress;
pub use sniff::{HEAD_BYTES, Kind, NotAccepted, Sniffed, playlist, sniff};
pub use tools::{Limits, Tools, Version};
pub use video::{Video, video};
