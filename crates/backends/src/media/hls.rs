//! Playlists (RFC 8216): reading those that ffmpeg has written, and writing the one that names them all, with rates
//! measured and codecs read from what was really made. No program is started here.

use std::fmt::Write as _;

/// A media playlist, as far as it is needed to tell its rates.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Playlist {
    /// Bytes of the part that every segment needs (`EXT-X-MAP`), at the beginning of the file.
    pub head_bytes: u64,
    /// The longest that a segment may be, rounded to seconds (`EXT-X-TARGETDURATION`).
    target_seconds: f64,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Segment {
    seconds: f64,
    bytes: u64,
}

impl Playlist {
    /// Reads a playlist of byte ranges. `None` when there is no segment in it.
    pub fn read(text: &str) -> Option<Self> {
        let mut playlist = Self::default();
        let mut seconds = None;
        for line in text.lines() {
            let (tag, value) = line.split_once(':').unwrap_or((line, ""));
            match tag {
                "#EXT-X-TARGETDURATION" => playlist.target_seconds = value.trim().parse().ok()?,
                "#EXT-X-MAP" => playlist.head_bytes = head_bytes(value)?,
                "#EXTINF" => seconds = value.split(',').next()?.parse().ok(),
                "#EXT-X-BYTERANGE" => {
                    let bytes = value.split('@').next()?.parse().ok()?;
                    let seconds = seconds.take()?;
                    playlist.segments.push(Segment { seconds, bytes });
                }
                _ => {}
            }
        }
        (!playlist.segments.is_empty()).then_some(playlist)
    }

    /// Length of all segments.
    pub fn seconds(&self) -> f64 {
        self.segments.iter().map(|segment| segment.seconds).sum()
    }

    /// All bits over all time.
    fn average_bits(&self) -> f64 {
        let bytes: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        rate(bytes, self.seconds())
    }

    /// The peak segment bit rate: the highest of any segments in a row that last between half and one and a half
    /// times the target duration (RFC 8216, section 4.1). A film shorter than that has its average.
    fn peak_bits(&self) -> f64 {
        let (least, most) = (0.5 * self.target_seconds, 1.5 * self.target_seconds);
        let mut peak: f64 = 0.0;
        for begin in 0..self.segments.len() {
            let rows = self
                .segments
                .iter()
                .skip(begin)
                .scan((0.0, 0), |sum, next| {
                    *sum = (sum.0 + next.seconds, sum.1 + next.bytes);
                    Some(*sum)
                });
            peak = rows
                .take_while(|(seconds, _)| *seconds <= most)
                .filter(|(seconds, _)| *seconds >= least)
                .fold(peak, |peak, (seconds, bytes)| {
                    peak.max(rate(bytes, seconds))
                });
        }
        if peak > 0.0 {
            peak
        } else {
            self.average_bits()
        }
    }
}

/// `URI="v240.mp4",BYTERANGE="825@0"`
fn head_bytes(value: &str) -> Option<u64> {
    let (_, range) = value.split_once("BYTERANGE=\"")?;
    range.split('@').next()?.parse().ok()
}

/// Bits a second; of what has no length, as if it lasted a thousandth of one.
fn rate(bytes: u64, seconds: f64) -> f64 {
    bytes as f64 * 8.0 / seconds.max(0.001)
}

/// One form of a film, as the master playlist names it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Variant {
    /// The name of its playlist, relative to the master's.
    pub uri: String,
    /// Its playlist.
    pub playlist: Playlist,
    /// Its codec (RFC 6381): `avc1.64001f`.
    pub codec: String,
    /// Width and height in pixels; none for sound.
    pub size: Option<(u32, u32)>,
    /// Frames a second; none for sound.
    pub fps: Option<f64>,
}

/// The codec of all our sound (RFC 6381): AAC, low complexity.
pub(super) const AAC_CODEC: &str = "mp4a.40.2";

/// Where native players begin: at the best form that needs no more, in bits a second.
const START_BITS: f64 = 2_000_000.0;

/// The master playlist of `variants`, with the sound beside them where there is one: the name of its playlist, and
/// what is in it.
pub(super) fn master(variants: &[Variant], sound: Option<(&str, &Playlist)>) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    if let Some((uri, _)) = sound {
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(
            text,
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Sound\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"{uri}\""
        );
    }
    let (sound_peak, sound_average) = sound.map_or((0.0, 0.0), |(_, playlist)| {
        (playlist.peak_bits(), playlist.average_bits())
    });
    for variant in in_order(variants) {
        let peak = variant.playlist.peak_bits() + sound_peak;
        // A short segment at the end may weigh more than any that counts for the peak.
        let average = (variant.playlist.average_bits() + sound_average).min(peak);
        let _ = write!(
            text,
            "#EXT-X-STREAM-INF:BANDWIDTH={:.0},AVERAGE-BANDWIDTH={:.0},CODECS=\"{}",
            peak.ceil(),
            average.ceil(),
            variant.codec
        );
        text.push_str(if sound.is_some() { "," } else { "" });
        text.push_str(if sound.is_some() { AAC_CODEC } else { "" });
        text.push('"');
        if let Some((width, height)) = variant.size {
            let _ = write!(text, ",RESOLUTION={width}x{height}");
        }
        if let Some(fps) = variant.fps {
            let _ = write!(text, ",FRAME-RATE={fps:.3}");
        }
        text.push_str(if sound.is_some() {
            ",AUDIO=\"sound\""
        } else {
            ""
        });
        let _ = writeln!(text, "\n{}", variant.uri);
    }
    text
}

/// The one to begin with first, since native players take the first; then the others from small to large.
fn in_order(variants: &[Variant]) -> Vec<&Variant> {
    let mut ordered: Vec<&Variant> = variants.iter().collect();
    ordered.sort_by(|one, other| {
        let bits = |variant: &Variant| variant.playlist.peak_bits();
        bits(one).total_cmp(&bits(other))
    });
    let first = ordered
        .iter()
        .rposition(|variant| variant.playlist.peak_bits() <= START_BITS)
        .unwrap_or(0);
    if let Some(part) = ordered.get_mut(..=first) {
        part.rotate_right(1);
    }
    ordered
}

/// The codec of an H.264 film (RFC 6381, section 3.3): profile, constraints and level of its `avcC` box
/// (ISO 14496-15, section 5.3.3.1), from the head of the file.
pub(super) fn avc_codec(head: &[u8]) -> Option<String> {
    /// Fields of a `stsd` box before its entries, and of a picture's entry before its boxes (ISO 14496-12, sections
    /// 8.5.2 and 12.1.3).
    const TABLE: usize = 8;
    const ENTRY: usize = 78;
    let path = [*b"moov", *b"trak", *b"mdia", *b"minf", *b"stbl", *b"stsd"];
    let table = path.into_iter().try_fold(head, find_box)?;
    let entry = find_box(table.get(TABLE..)?, *b"avc1")?;
    let [_, profile, constraints, level, ..] = find_box(entry.get(ENTRY..)?, *b"avcC")? else {
        return None;
    };
    Some(format!("avc1.{profile:02x}{constraints:02x}{level:02x}"))
}

/// What is in the first box of this kind (ISO 14496-12, section 4.2).
fn find_box(mut boxes: &[u8], kind: [u8; 4]) -> Option<&[u8]> {
    while let (Some(size), Some(found)) = (boxes.first_chunk::<4>(), boxes.get(4..8)) {
        let size = u32::from_be_bytes(*size) as usize;
        let content = boxes.get(8..size)?;
        if *found == kind {
            return Some(content);
        }
        boxes = boxes.get(size..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn playlist(target_seconds: f64, segments: &[(f64, u64)]) -> Playlist {
        let segments = segments.iter();
        Playlist {
            head_bytes: 800,
            target_seconds,
            segments: segments
                .map(|(seconds, bytes)| Segment {
                    seconds: *seconds,
                    bytes: *bytes,
                })
                .collect(),
        }
    }

    fn variant(uri: &str, bits: u64) -> Variant {
        Variant {
            uri: uri.into(),
            playlist: playlist(4.0, &[(4.0, bits / 2)]),
            codec: "avc1.64001f".into(),
            size: Some((1280, 720)),
            fps: Some(29.97),
        }
    }

    #[test]
    fn segments_and_the_head_are_read_and_nothing_else() {
        let text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"v.mp4\",BYTERANGE=\"800@0\"\n\
            #EXTINF:4.000000,\n#EXT-X-BYTERANGE:1000@800\nv.mp4\n#EXTINF:1.5,\n#EXT-X-BYTERANGE:10@1800\nv.mp4\n#EXT-X-ENDLIST\n";
        let read = Playlist::read(text).unwrap();
        assert_eq!(read, playlist(4.0, &[(4.0, 1000), (1.5, 10)]));
        assert!((read.seconds() - 5.5).abs() < 1e-9);
        assert_eq!(Playlist::read("#EXTM3U\n#EXT-X-ENDLIST\n"), None);
        assert_eq!(Playlist::read("#EXT-X-BYTERANGE:1@1\n"), None);
    }

    #[test]
    fn the_peak_is_of_segments_near_the_target_and_not_of_a_short_rest() {
        let steady = playlist(4.0, &[(4.0, 1000), (4.0, 3000), (0.5, 2000)]);
        assert!((steady.peak_bits() - 5000.0 * 8.0 / 4.5).abs() < 1e-6);
        assert!((steady.average_bits() - 6000.0 * 8.0 / 8.5).abs() < 1e-6);
        let short = playlist(1.0, &[(0.3, 300)]);
        assert!((short.peak_bits() - 8000.0).abs() < 1e-6);
    }

    #[test]
    fn the_master_names_rates_of_picture_and_sound_together() {
        let sound = playlist(4.0, &[(4.0, 64_000)]);
        let text = master(
            &[variant("v720.m3u8", 1_000_000)],
            Some(("sound.m3u8", &sound)),
        );
        assert_eq!(
            text,
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Sound\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"sound.m3u8\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH=1128000,AVERAGE-BANDWIDTH=1128000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO=\"sound\"\n\
             v720.m3u8\n"
        );
        let silent = master(&[variant("v720.m3u8", 1_000_000)], None);
        assert!(!silent.contains("AUDIO") && !silent.contains("mp4a"));
    }

    #[test]
    fn native_players_begin_with_what_a_phone_can_load() {
        let order = |bits: &[u64]| {
            let variants: Vec<_> = bits
                .iter()
                .map(|bits| variant(&bits.to_string(), *bits))
                .collect();
            let ordered = in_order(&variants).into_iter();
            ordered
                .map(|variant| variant.uri.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            order(&[6_000_000, 1_500_000, 800_000, 400_000]),
            ["1500000", "400000", "800000", "6000000"]
        );
        assert_eq!(order(&[9_000_000, 6_000_000]), ["6000000", "9000000"]);
        assert_eq!(order(&[400_000]), ["400000"]);
    }

    fn boxed(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).unwrap();
        [&size.to_be_bytes()[..], &kind, content].concat()
    }

    #[test]
    fn the_codec_is_read_from_the_head() {
        let config = boxed(*b"avcC", &[1, 0x64, 0, 0x1f, 0xff]);
        let entry = boxed(*b"avc1", &[&[0; 78][..], &config].concat());
        let mut head = boxed(*b"stsd", &[&[0; 8][..], &entry].concat());
        for kind in [*b"stbl", *b"minf", *b"mdia", *b"trak", *b"moov"] {
            head = boxed(kind, &[boxed(*b"free", b"x"), head].concat());
        }
        assert_eq!(avc_codec(&head).as_deref(), Some("avc1.64001f"));
        assert_eq!(avc_codec(&head[..head.len() - 1]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_reading_fail(head: Vec<u8>, text: String) {
            let _ = (avc_codec(&head), Playlist::read(&text));
        }
    }
}
