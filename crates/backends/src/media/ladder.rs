//! The ladder: the sizes that one film is made in, so that a player can choose by what the line carries, and what
//! ffmpeg is told to make all of them at once. One decoding feeds every rung and the sound.
//!
//! Which sizes, and why so: docs/decisions/0011-the-ladder.md. How players read it is in `hls`.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use super::audio::{AAC_BIT_RATE, encode_rate};
use super::frames::{even, filters, fit, sane_fps};
use super::loudness::to_stereo;
use super::probe::{AudioStream, VideoStream, quiet_start, source_input};
use super::tools::Tools;

/// Names of the rungs: lines, counted on the shorter side.
const RUNGS: [Nominal; 5] = [
    Nominal::new(240, 400),
    Nominal::new(360, 800),
    Nominal::new(480, 1400),
    Nominal::new(720, 3000),
    Nominal::new(1080, 6000),
];

/// A key frame stands at least at every second of these, in seconds, on all rungs alike: a player changes the
/// rung, or jumps, only there.
pub(super) const KEY_FRAME_SECONDS: u32 = 2;
/// A segment, in seconds. Whole groups of pictures, so that all rungs are cut at the same places.
pub(super) const SEGMENT_SECONDS: u32 = 4;

/// H.264's constant quality (x264's crf): slides stay far below the bounds, and only what moves meets them.
const QUALITY: &str = "22";
/// No rung is held below this, in kbit/s.
const LEAST_KILOBITS: f64 = 150.0;
/// What a picture of more than 30 frames a second may take more.
const FAST_FACTOR: f64 = 1.5;

/// A rung as the ladder knows it.
struct Nominal {
    lines: u32,
    /// The most it may take, in kbit/s, at 16 to 9 and up to 30 frames a second; near what Apple's authoring
    /// specification for HLS (table of recommended bit rates) asks for.
    kilobits: u32,
}

impl Nominal {
    const fn new(lines: u32, kilobits: u32) -> Self {
        Self { lines, kilobits }
    }
}

/// One size of a film.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rung {
    /// `v720`: its playlist is `v720.m3u8`, its film `v720.mp4`.
    pub name: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// The most it takes over a few seconds, in kbit/s.
    pub max_kilobits: u32,
}

/// What is made of a film's pictures.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ladder {
    /// The largest first; never empty.
    pub rungs: Vec<Rung>,
    /// Frames a second, on all of them.
    pub fps: f64,
    /// What is done before the frames are shared out.
    prepare: String,
}

/// The sound of a film, and the gain it gets, in dB.
pub(super) type Sound<'a> = (&'a AudioStream, f64);

impl Ladder {
    /// The ladder for these pictures.
    pub fn of(picture: &VideoStream) -> Self {
        let (size, fps) = (fit(picture.shown_size()), sane_fps(picture));
        Self {
            rungs: rungs(size, fps),
            fps,
            prepare: filters(picture, fps, size),
        }
    }

    /// Pixels of all rungs over a second, in millions: what encoding costs.
    pub fn megapixels_a_second(&self) -> f64 {
        let pixels = |rung: &Rung| f64::from(rung.width) * f64::from(rung.height);
        self.rungs.iter().map(pixels).sum::<f64>() * self.fps / 1e6
    }

    /// The whole command: from `source` to a playlist and a film for every rung, and for the sound, in the folder
    /// that it runs in.
    pub fn command(
        &self,
        tools: &Tools,
        source: &Path,
        picture: &VideoStream,
        sound: Option<Sound<'_>>,
    ) -> Vec<OsString> {
        let limits = &tools.limits;
        let mut args = quiet_start(limits.threads);
        args.extend([
            "-filter_complex_threads".into(),
            limits.threads.to_string().into(),
        ]);
        // A picture that grows in the middle of the film is dropped before anything is set aside for it.
        args.extend(["-max_pixels".into(), limits.pixels.to_string().into()]);
        args.extend(source_input(limits, source));
        let mut words = vec!["-filter_complex".to_owned(), self.graph(picture.index)];
        for place in 0..self.rungs.len() {
            words.extend(["-map".into(), format!("[v{place}]")]);
        }
        if let Some(sound) = sound {
            words.extend(sound_words(sound));
        }
        words.extend(owned(&["-map_metadata", "-1", "-map_chapters", "-1"]));
        words.extend(self.encoder_words(tools.limits.threads));
        words.extend(self.playlist_words(sound.is_some()));
        args.extend(words.into_iter().map(OsString::from));
        args
    }

    /// Prepared once, shared out, and made smaller for each rung but the largest.
    fn graph(&self, index: u32) -> String {
        let mut graph = format!("[0:{index}]{}", self.prepare);
        if self.rungs.len() > 1 {
            // Writing to a string cannot fail, here and below.
            let _ = write!(graph, ",split={}[v0]", self.rungs.len());
            for place in 1..self.rungs.len() {
                let _ = write!(graph, "[p{place}]");
            }
        } else {
            graph.push_str("[v0]");
        }
        for (place, rung) in self.rungs.iter().enumerate().skip(1) {
            let (width, height) = (rung.width, rung.height);
            // The odd shares of a pixel that rounding leaves are no reason for oblong ones.
            let _ = write!(
                graph,
                ";[p{place}]scale={width}:{height},setsar=1[v{place}]"
            );
        }
        graph
    }

    fn encoder_words(&self, threads: usize) -> Vec<String> {
        let mut words = owned(&["-c:v", "libx264", "-preset", "veryfast"]);
        words.extend(owned(&["-profile:v", "high", "-pix_fmt", "yuv420p"]));
        words.extend(owned(&["-crf", QUALITY, "-sc_threshold", "0"]));
        // By time, not by counting frames: so no rounding of the frame rate adds up, and every key frame stands at
        // the same time on all rungs. The encoder's own count must never be first.
        let group = (self.fps * f64::from(KEY_FRAME_SECONDS)).ceil() + 1.0;
        words.extend(["-g".into(), format!("{group:.0}")]);
        let times = format!("expr:gte(t,n_forced*{KEY_FRAME_SECONDS})");
        words.extend(["-force_key_frames:v".into(), times]);
        words.extend(["-threads:v".into(), threads.to_string()]);
        for (place, rung) in self.rungs.iter().enumerate() {
            let most = rung.max_kilobits;
            words.extend([format!("-maxrate:v:{place}"), format!("{most}k")]);
            words.extend([format!("-bufsize:v:{place}"), format!("{}k", 2 * most)]);
        }
        words.extend(owned(&["-max_muxing_queue_size", "9999"]));
        words
    }

    /// Fragmented MP4, one file a rung, and a playlist that names its parts by their bytes (RFC 8216, section
    /// 4.3.2.2).
    fn playlist_words(&self, has_sound: bool) -> Vec<String> {
        let group = if has_sound { ",agroup:sound" } else { "" };
        let mut streams: Vec<String> = self
            .rungs
            .iter()
            .enumerate()
            .map(|(place, rung)| format!("v:{place}{group},name:{}", rung.name))
            .collect();
        if has_sound {
            streams.push(format!("a:0{group},name:{SOUND}"));
        }
        let mut words = segment_words();
        // As they stand in the playlists: players would ask for `file:` otherwise.
        words.extend(["-hls_segment_filename".into(), "%v.mp4".into()]);
        words.extend(["-var_stream_map".into(), streams.join(" ")]);
        words.push("%v.m3u8".into());
        words
    }
}

/// The name of the sound's playlist and film.
pub(super) const SOUND: &str = "sound";

/// How a playlist and its segments are written.
pub(super) fn segment_words() -> Vec<String> {
    let mut words = owned(&["-f", "hls", "-hls_playlist_type", "vod"]);
    words.extend(["-hls_time".into(), SEGMENT_SECONDS.to_string()]);
    words.extend(owned(&["-hls_segment_type", "fmp4", "-hls_flags"]));
    words.push("single_file+independent_segments".into());
    words
}

fn sound_words((sound, gain_db): Sound<'_>) -> Vec<String> {
    let filters = format!("{},volume={gain_db:.2}dB:precision=float", to_stereo(sound));
    let rate = encode_rate(sound.sample_rate).to_string();
    let mut words = vec!["-map".into(), format!("0:{}", sound.index)];
    words.extend(["-af".into(), filters, "-ar".into(), rate]);
    words.extend(owned(&["-c:a", "aac", "-profile:a", "aac_low", "-ac", "2"]));
    words.extend(owned(&["-b:a", AAC_BIT_RATE]));
    words
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The rungs of a film of this size, the largest first. That one is of the film's own size and bears the name that
/// is nearest in ratio: so nothing is lost, nothing is enlarged, and no rung lies close below it that would cost time
/// and show no difference. Below it come all rungs of their nominal sizes.
fn rungs((width, height): (u32, u32), fps: f64) -> Vec<Rung> {
    let short = f64::from(width.min(height));
    let ratio = |rung: &Nominal| (f64::from(rung.lines) / short).ln().abs();
    let top = RUNGS
        .iter()
        .min_by(|one, other| ratio(one).total_cmp(&ratio(other)))
        .map_or(0, |rung| rung.lines);
    RUNGS
        .iter()
        .rev()
        .filter(|rung| rung.lines <= top)
        .map(|rung| {
            if rung.lines == top {
                return rung.sized(width, height, fps);
            }
            let scale = f64::from(rung.lines) / short;
            let near = |side: u32| even((f64::from(side) * scale / 2.0).round() * 2.0);
            rung.sized(near(width), near(height), fps)
        })
        .collect()
}

impl Nominal {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most some ten thousands: pixels are bounded"
    )]
    fn sized(&self, width: u32, height: u32, fps: f64) -> Rung {
        let pixels = f64::from(width) * f64::from(height);
        let nominal = f64::from(self.lines).powi(2) * 16.0 / 9.0;
        let fast = if fps > 30.5 { FAST_FACTOR } else { 1.0 };
        let kilobits = f64::from(self.kilobits) * pixels / nominal * fast;
        Rung {
            name: format!("v{}", self.lines),
            width,
            height,
            max_kilobits: kilobits.max(LEAST_KILOBITS).round() as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(size: (u32, u32)) -> Vec<(String, u32, u32)> {
        let rungs = rungs(size, 25.0).into_iter();
        rungs
            .map(|rung| (rung.name, rung.width, rung.height))
            .collect()
    }

    fn names(size: (u32, u32)) -> Vec<String> {
        sizes(size).into_iter().map(|(name, ..)| name).collect()
    }

    #[test]
    fn a_large_film_gets_every_rung_of_even_sizes() {
        let expected = [
            ("v1080", 1920, 1080),
            ("v720", 1280, 720),
            ("v480", 854, 480),
            ("v360", 640, 360),
            ("v240", 426, 240),
        ];
        let expected = expected.map(|(name, width, height)| (name.to_owned(), width, height));
        assert_eq!(sizes((1920, 1080)), expected);
        let upright: Vec<_> = expected
            .into_iter()
            .map(|(name, long, short)| (name, short, long))
            .collect();
        assert_eq!(sizes((1080, 1920)), upright);
    }

    #[test]
    fn the_largest_rung_keeps_the_films_own_size() {
        assert_eq!(
            sizes((1600, 900)).first(),
            Some(&("v1080".into(), 1600, 900))
        );
        assert_eq!(sizes((100, 76)), [("v240".into(), 100, 76)]);
        assert_eq!(sizes((4096, 50)), [("v240".into(), 4096, 50)]);
        assert_eq!(sizes((2, 2)), [("v240".into(), 2, 2)]);
    }

    #[test]
    fn no_rung_lies_close_below_the_largest() {
        assert_eq!(names((890, 500)), ["v480", "v360", "v240"]);
        assert_eq!(names((1500, 840)), ["v720", "v480", "v360", "v240"]);
        assert_eq!(names((500, 280)), ["v240"]);
        for lines in (2..=1080).step_by(2) {
            let made = rungs((lines * 2, lines), 25.0);
            let steps = made.windows(2).map(|pair| {
                let short = |rung: &Rung| f64::from(rung.width.min(rung.height));
                short(&pair[0]) / short(&pair[1])
            });
            for step in steps {
                assert!((1.15..=1.9).contains(&step), "{lines}: {made:?}");
            }
        }
    }

    #[test]
    fn what_a_rung_may_take_follows_its_pixels_and_frame_rate() {
        let most = |size, fps| rungs(size, fps).first().map(|rung| rung.max_kilobits);
        assert_eq!(most((1920, 1080), 25.0), Some(6000));
        assert_eq!(most((1920, 1080), 60.0), Some(9000));
        assert_eq!(most((1440, 1080), 25.0), Some(4500));
        assert_eq!(most((64, 48), 25.0), Some(150));
    }
}
