//! Small pictures along the time line: sheets of them, `sprite-0.jpg` and on, and `thumbnails.vtt`, which tells a
//! player where on a sheet the picture of each time stands. Taken from the smallest rung, of which only key frames
//! are decoded.

use std::path::Path;

use super::fault::Fault;
use super::hls::Playlist;
use super::ladder::{KEY_FRAME_SECONDS, Ladder, Rung};
use super::media_file::MediaFile;
use super::poster::blocking;
use super::probe::{input, quiet_start};
use super::progress::Meter;
use super::tools::Tools;
use super::video::run;
use super::vtt::Cues;

/// However long the film is.
const MOST_THUMBNAILS: u32 = 200;
/// The longer side, in pixels.
const LONGER_SIDE: f64 = 160.0;
/// A sheet has so many columns, and as many rows.
const COLUMNS: u32 = 10;

/// Where the pictures stand.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sheets {
    /// Every so many key frames are shown.
    step: u32,
    /// How many pictures there are.
    count: u32,
    columns: u32,
    rows: u32,
    /// Of a picture, in pixels.
    width: u32,
    /// Of a picture, in pixels.
    height: u32,
}

/// Makes the sheets of a film in `out_dir`, where its smallest rung lies, and the track that leads to them.
pub(super) async fn make_sprites(
    tools: &Tools,
    rung: &Rung,
    playlist: &Playlist,
    out_dir: &Path,
    meter: &mut Meter<'_>,
) -> Result<Vec<MediaFile>, Fault> {
    let seconds = playlist.seconds();
    let sheets = Sheets::of(rung, seconds);
    let mut args = quiet_start(tools.limits.threads);
    args.extend(["-skip_frame".into(), "nokey".into()]);
    args.extend(input(Path::new(&format!("{}.mp4", rung.name))));
    let filters = sheets.filters();
    for word in ["-an", "-vf", &filters, "-fps_mode", "vfr", "-q:v", "5"] {
        args.push(word.into());
    }
    for word in ["-f", "image2", "-start_number", "0", "file:sprite-%d.jpg"] {
        args.push(word.into());
    }
    run(tools, args, out_dir, meter).await?;
    let out_dir = out_dir.to_owned();
    blocking(move || sheets.collect(&out_dir, seconds)).await
}

impl Sheets {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "recordings last hours at most, and pictures have 2 to 160 pixels"
    )]
    fn of(rung: &Rung, seconds: f64) -> Self {
        // A key frame that would stand in the last thousandth is not there.
        let key_frames = ((seconds - 0.001) / f64::from(KEY_FRAME_SECONDS)).ceil();
        let key_frames = key_frames.max(1.0) as u32;
        let step = key_frames.div_ceil(MOST_THUMBNAILS);
        let count = key_frames.div_ceil(step);
        let scale = (LONGER_SIDE / f64::from(rung.width.max(rung.height))).min(1.0);
        let even = |side: u32| ((f64::from(side) * scale / 2.0).round() * 2.0).max(2.0) as u32;
        Self {
            step,
            count,
            columns: count.min(COLUMNS),
            rows: count.div_ceil(COLUMNS).min(COLUMNS),
            width: even(rung.width),
            height: even(rung.height),
        }
    }

    fn on_one_sheet(&self) -> u32 {
        self.columns * self.rows
    }

    fn filters(&self) -> String {
        let Self {
            step,
            width,
            height,
            columns,
            rows,
            ..
        } = self;
        format!("select='not(mod(n,{step}))',scale={width}:{height},tile={columns}x{rows}")
    }

    /// The sheets that were made, and the track.
    fn collect(&self, out_dir: &Path, seconds: f64) -> Result<Vec<MediaFile>, Fault> {
        let mut files = Vec::new();
        for number in 0..self.count.div_ceil(self.on_one_sheet()) {
            let path = out_dir.join(format!("sprite-{number}.jpg"));
            if !path.exists() {
                break;
            }
            let (width, height) = (self.width * self.columns, self.height * self.rows);
            files.push(MediaFile::found(path, "image/jpeg")?.sized(width, height));
        }
        let sheets = u32::try_from(files.len()).unwrap_or(0);
        let shown = self.count.min(sheets * self.on_one_sheet());
        if shown > 0 {
            let path = out_dir.join("thumbnails.vtt");
            files.push(MediaFile::written(
                path,
                "text/vtt",
                &self.track(shown, seconds),
            )?);
        }
        Ok(files)
    }

    /// A cue a picture (Media Fragments URI 1.0, section 4.2.2).
    fn track(&self, shown: u32, seconds: f64) -> String {
        let each = f64::from(self.step * KEY_FRAME_SECONDS);
        let mut cues = Cues::new();
        for place in 0..shown {
            let (sheet, place_there) = (place / self.on_one_sheet(), place % self.on_one_sheet());
            let x = place_there % self.columns * self.width;
            let y = place_there / self.columns * self.height;
            let (width, height) = (self.width, self.height);
            let start = f64::from(place) * each;
            let end = if place + 1 == shown {
                seconds.max(start + 0.001)
            } else {
                start + each
            };
            let text = format!("sprite-{sheet}.jpg#xywh={x},{y},{width},{height}");
            cues.add(start, end, &text);
        }
        cues.into_text()
    }
}

/// What they cost, in terms of `video::costs`.
pub(super) fn cost(ladder: &Ladder, duration_seconds: f64) -> f64 {
    let smallest = ladder.rungs.last();
    let pixels = smallest.map_or(0.0, |rung| f64::from(rung.width) * f64::from(rung.height));
    0.15 + duration_seconds * pixels / 1e6 * 0.01
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheets(width: u32, height: u32, seconds: f64) -> Sheets {
        let rung = Rung {
            name: "v240".into(),
            width,
            height,
            max_kilobits: 400,
        };
        Sheets::of(&rung, seconds)
    }

    #[test]
    fn a_short_film_has_one_small_sheet_and_a_long_one_no_more_than_two() {
        let short = sheets(426, 240, 5.0);
        assert_eq!((short.step, short.count), (1, 3));
        assert_eq!((short.columns, short.rows), (3, 1));
        assert_eq!((short.width, short.height), (160, 90));
        let exact = sheets(240, 426, 4.0);
        assert_eq!((exact.count, exact.width, exact.height), (2, 90, 160));
        let hour = sheets(426, 240, 3600.0);
        assert_eq!((hour.step, hour.count), (9, 200));
        assert_eq!((hour.columns, hour.rows), (10, 10));
        assert_eq!(sheets(2, 2, 0.01).count, 1);
        for seconds in 1..43_200 {
            let made = sheets(426, 240, f64::from(seconds));
            assert!(made.count <= MOST_THUMBNAILS && made.count > 0);
        }
    }

    #[test]
    fn each_cue_names_its_picture_and_the_last_lasts_to_the_end() {
        let long = sheets(426, 240, 401.0);
        assert_eq!((long.step, long.count), (2, 101));
        let track = long.track(101, 401.0);
        assert!(track.starts_with(
            "WEBVTT\n\n00:00:00.000 --> 00:00:04.000\nsprite-0.jpg#xywh=0,0,160,90\n"
        ));
        assert!(
            track.contains("\n00:00:44.000 --> 00:00:48.000\nsprite-0.jpg#xywh=160,90,160,90\n")
        );
        assert!(track.ends_with("\n00:06:40.000 --> 00:06:41.000\nsprite-1.jpg#xywh=0,0,160,90\n"));
    }
}
