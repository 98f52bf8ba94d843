//! What ffprobe answers (its JSON), and what of it is believed. Asking is in `probe`.

use std::fmt;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::chapters::{Chapter, MOST_CHAPTERS};
use super::probe::{AudioStream, Probe, VideoStream};

/// ffprobe's JSON, as far as it is asked for.
#[derive(Deserialize)]
pub(super) struct Report {
    #[serde(default)]
    streams: Vec<Stream>,
    #[serde(default)]
    packets: Vec<Packet>,
    #[serde(default, deserialize_with = "first_marks")]
    chapters: Vec<Mark>,
    #[serde(default)]
    format: Format,
}

#[derive(Deserialize, Default)]
struct Format {
    #[serde(default)]
    format_name: String,
    duration: Option<String>,
}

#[derive(Deserialize)]
struct Packet {
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Deserialize)]
struct SideData {
    side_data_type: Option<String>,
    rotation: Option<f64>,
}

#[derive(Deserialize)]
struct Stream {
    index: u32,
    codec_type: Option<String>,
    codec_name: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    sample_aspect_ratio: Option<String>,
    pix_fmt: Option<String>,
    field_order: Option<String>,
    r_frame_rate: Option<String>,
    avg_frame_rate: Option<String>,
    duration: Option<String>,
    channels: Option<u32>,
    sample_rate: Option<String>,
    color_transfer: Option<String>,
    #[serde(default)]
    disposition: Disposition,
    #[serde(default)]
    side_data_list: Vec<SideData>,
    #[serde(default)]
    tags: Tags,
}

#[derive(Deserialize, Default)]
struct Disposition {
    #[serde(default)]
    attached_pic: u8,
    #[serde(default)]
    timed_thumbnails: u8,
}

#[derive(Deserialize, Default)]
struct Tags {
    rotate: Option<String>,
    title: Option<String>,
}

/// A chapter.
#[derive(Deserialize)]
struct Mark {
    start_time: Option<String>,
    end_time: Option<String>,
    #[serde(default)]
    tags: Tags,
}

/// Reads as many chapters as are ever shown, and passes over the others.
fn first_marks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Mark>, D::Error> {
    deserializer.deserialize_seq(FirstMarks)
}

struct FirstMarks;

impl<'de> Visitor<'de> for FirstMarks {
    type Value = Vec<Mark>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of chapters")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sent: A) -> Result<Vec<Mark>, A::Error> {
        let mut marks = Vec::new();
        while marks.len() < MOST_CHAPTERS {
            match sent.next_element()? {
                Some(mark) => marks.push(mark),
                None => return Ok(marks),
            }
        }
        while sent.next_element::<IgnoredAny>()?.is_some() {}
        Ok(marks)
    }
}

impl Report {
    /// Whether the first packets say that they are encrypted.
    pub fn is_encrypted(&self) -> bool {
        let mut data = self
            .packets
            .iter()
            .flat_map(|packet| &packet.side_data_list);
        data.any(|data| {
            data.side_data_type
                .as_deref()
                .is_some_and(|name| name.eq_ignore_ascii_case("encryption info"))
        })
    }

    pub fn into_probe(self) -> Probe {
        let mut probe = Probe {
            format: self.format.format_name,
            duration_seconds: self
                .format
                .duration
                .as_deref()
                .and_then(seconds)
                .unwrap_or(0.0),
            video: None,
            audio: Vec::new(),
            cover: None,
            chapters: self.chapters.into_iter().filter_map(Mark::read).collect(),
        };
        for stream in self.streams {
            match stream.codec_type.as_deref() {
                Some("video") if stream.disposition.attached_pic == 1 => {
                    probe.cover = probe.cover.or(Some(stream.index));
                }
                Some("video") if probe.video.is_none() => probe.video = stream.into_video(),
                Some("audio") => probe.audio.extend(stream.into_audio()),
                _ => {}
            }
        }
        probe
    }
}

impl Mark {
    fn read(self) -> Option<Chapter> {
        let time = |text: &str| text.parse().ok().filter(|time: &f64| time.is_finite());
        Some(Chapter {
            start_seconds: time(&self.start_time?)?,
            end_seconds: time(&self.end_time?)?,
            title: self.tags.title.unwrap_or_default(),
        })
    }
}

impl Stream {
    fn into_video(self) -> Option<VideoStream> {
        let (width, height) = (self.width.unwrap_or(0), self.height.unwrap_or(0));
        if self.disposition.timed_thumbnails == 1 || width == 0 || height == 0 {
            return None;
        }
        let rate = |text: &Option<String>| {
            text.as_deref()
                .and_then(|text| ratio(text, '/'))
                .unwrap_or(0.0)
        };
        Some(VideoStream {
            index: self.index,
            width,
            height,
            rotation: rotation(&self),
            // A ratio that no camera has would only make the picture a line.
            sample_aspect: self
                .sample_aspect_ratio
                .as_deref()
                .and_then(|text| ratio(text, ':'))
                .filter(|aspect| (0.25..=4.0).contains(aspect))
                .unwrap_or(1.0),
            average_fps: rate(&self.avg_frame_rate),
            base_fps: rate(&self.r_frame_rate),
            interlaced: matches!(self.field_order.as_deref(), Some("tt" | "bb" | "tb" | "bt")),
            hdr_transfer: self
                .color_transfer
                .filter(|name| name == "smpte2084" || name == "arib-std-b67"),
            duration_seconds: self.duration.as_deref().and_then(seconds),
            codec: self.codec_name?,
            pixel_format: self.pix_fmt.unwrap_or_default(),
        })
    }

    fn into_audio(self) -> Option<AudioStream> {
        Some(AudioStream {
            index: self.index,
            channels: self.channels.filter(|channels| *channels > 0)?,
            sample_rate: self.sample_rate?.parse().ok().filter(|rate| *rate > 0)?,
            duration_seconds: self.duration.as_deref().and_then(seconds),
            codec: self.codec_name?,
        })
    }
}

/// ffprobe gives the matrix's angle counterclockwise, and older ones a tag with it clockwise.
fn rotation(stream: &Stream) -> u32 {
    let clockwise = stream
        .side_data_list
        .iter()
        .find_map(|data| data.rotation.map(|angle| -angle))
        .or_else(|| stream.tags.rotate.as_deref()?.parse().ok())
        .unwrap_or(0.0);
    match clockwise.rem_euclid(360.0) {
        45.0..135.0 => 90,
        135.0..225.0 => 180,
        225.0..315.0 => 270,
        _ => 0,
    }
}

fn seconds(text: &str) -> Option<f64> {
    text.parse()
        .ok()
        .filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0)
}

fn ratio(text: &str, sign: char) -> Option<f64> {
    let (above, below) = text.split_once(sign)?;
    let ratio = above.parse::<f64>().ok()? / below.parse::<f64>().ok()?;
    (ratio.is_finite() && ratio > 0.0).then_some(ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_numbers_of_ffprobe_are_not_believed() {
        assert_eq!(ratio("0/0", '/'), None);
        assert_eq!(ratio("30000/1001", '/').map(f64::round), Some(30.0));
        assert_eq!(ratio("-1:1", ':'), None);
        assert_eq!(seconds("N/A"), None);
        assert_eq!(seconds("inf"), None);
    }

    #[test]
    fn the_cover_is_no_film_and_the_first_of_several_counts() {
        let json = r#"{"streams":[
            {"index":0,"codec_type":"video","codec_name":"mjpeg","width":9,"height":9,"disposition":{"attached_pic":1}},
            {"index":1,"codec_type":"video","codec_name":"png","width":9,"height":9,"disposition":{"attached_pic":1}}],
            "chapters":[{"start_time":"0.0","end_time":"nan","tags":{"title":"A"}},{"start_time":"0.5","end_time":"1"}]}"#;
        let probe = serde_json::from_str::<Report>(json).unwrap().into_probe();
        assert_eq!((probe.cover, probe.video), (Some(0), None));
        let [chapter] = probe.chapters.try_into().unwrap();
        assert!((chapter.start_seconds - 0.5).abs() < 1e-9 && chapter.title.is_empty());
    }
}
