//! What the service is asked to make of a recording: the members of `CreateJob` (MediaConvert API reference).
//!
//! A film becomes an HLS ladder of CMAF tracks, each one file; an MP4 for download and for players without
//! HLS; a poster and a thumbnail. A recording becomes the formats that the site offers.

use serde_json::{Value, json};

use super::Settings;
use crate::media::TARGET_LUFS;

/// Rungs of the ladder: name, longer side in pixels, most bits a second. What is called 720 has 1280 pixels on
/// its longer side when it is shown at 16:9, whichever way the phone was held.
const RUNGS: [(&str, u32, u32); 5] = [
    ("v240", 426, 500_000),
    ("v360", 640, 1_000_000),
    ("v480", 854, 1_800_000),
    ("v720", 1280, 4_000_000),
    ("v1080", 1920, 8_000_000),
];
/// Key frames, and what may be fetched at once, in seconds.
const GOP_SECONDS: u32 = 2;
const SEGMENT_SECONDS: u32 = 6;
/// Longer sides of the pictures, in pixels.
const POSTER_PIXELS: u32 = 1280;
const THUMBNAIL_PIXELS: u32 = 480;
/// Where the service finds the sound.
const SOUND: &str = "Audio Selector 1";

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Makes one job of it, however often it is asked for; comes back as `userMetadata`.
    pub token: String,
    /// Key of the recording in the file store.
    pub input: String,
    /// Key prefix of the results, without a closing slash.
    pub folder: String,
    /// What is wanted.
    pub wanted: Wanted,
}

/// What is wanted of a recording.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// A film.
    Film(Picture),
    /// Sound alone, as files with these endings: `m4a`, `flac`, `wav`.
    Sound(Vec<String>),
}

/// What is known of a film.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Picture {
    /// Pixels on its longer side.
    pub long_side: u32,
    /// Playing time.
    pub seconds: f64,
    /// Whether it has sound.
    pub has_sound: bool,
}

impl Picture {
    /// Of a film of which nothing is known.
    pub const UNKNOWN: Self = Self {
        long_side: 1920,
        seconds: 0.0,
        has_sound: true,
    };
}

/// Files that must be among the results.
pub fn needed(wanted: &Wanted) -> Vec<String> {
    match wanted {
        Wanted::Film(_) => ["video.mp4", "master.m3u8"].map(str::to_owned).to_vec(),
        Wanted::Sound(formats) => formats
            .iter()
            .map(|format| format!("audio.{format}"))
            .collect(),
    }
}

/// The body of `CreateJob`.
pub(super) fn body(settings: &Settings, order: &Order) -> Value {
    let folder = settings.object(&order.folder);
    let groups = match &order.wanted {
        Wanted::Film(picture) => film(&folder, *picture),
        Wanted::Sound(formats) => formats
            .iter()
            .map(|format| sound_file(&folder, format))
            .collect(),
    };
    let has_sound = !matches!(&order.wanted, Wanted::Film(picture) if !picture.has_sound);
    let mut input = json!({
        "fileInput": settings.object(&order.input),
        "timecodeSource": "ZEROBASED",
    });
    if has_sound {
        let selectors = json!({ SOUND: { "defaultSelection": "DEFAULT" } });
        input = with(input, "audioSelectors", selectors);
    }
    if matches!(order.wanted, Wanted::Film(_)) {
        input = with(input, "videoSelector", json!({ "rotate": "AUTO" }));
    }
    let mut body = json!({
        "clientRequestToken": order.token,
        "role": settings.role,
        "statusUpdateInterval": "SECONDS_15",
        "userMetadata": { "lyceum": order.token },
        "settings": {
            "timecodeConfig": { "source": "ZEROBASED" },
            "inputs": [input],
            "outputGroups": groups,
        },
    });
    if let Some(queue) = &settings.queue {
        body = with(body, "queue", json!(queue));
    }
    body
}

/// The object with one more member.
fn with(mut object: Value, name: &str, value: Value) -> Value {
    if let Value::Object(members) = &mut object {
        members.insert(name.to_owned(), value);
    }
    object
}

/// The rungs that do not enlarge a picture: those below it, and one that holds it as it is.
fn rungs(long_side: u32) -> impl Iterator<Item = (&'static str, u32, u32)> {
    let below = RUNGS
        .iter()
        .filter(|(_, pixels, _)| *pixels < long_side)
        .count();
    RUNGS.into_iter().take(below + 1)
}

fn film(folder: &str, picture: Picture) -> Vec<Value> {
    let mut outputs: Vec<Value> = rungs(picture.long_side)
        .map(|(name, pixels, bits)| {
            json!({
                "nameModifier": format!("-{name}"),
                "containerSettings": {
                    "container": "CMFC",
                    "cmfcSettings": { "audioRenditionSets": "sound" },
                },
                "videoDescription": h264(pixels, bits),
            })
        })
        .collect();
    if picture.has_sound {
        outputs.push(json!({
            "nameModifier": "-sound",
            "containerSettings": {
                "container": "CMFC",
                "cmfcSettings": {
                    "audioGroupId": "sound",
                    "audioTrackType": "ALTERNATE_AUDIO_AUTO_SELECT_DEFAULT",
                },
            },
            "audioDescriptions": [aac()],
        }));
    }
    let ladder = json!({
        "name": "CMAF",
        "outputGroupSettings": {
            "type": "CMAF_GROUP_SETTINGS",
            "cmafGroupSettings": {
                "destination": format!("{folder}/master"),
                "segmentControl": "SINGLE_FILE",
                "segmentLength": SEGMENT_SECONDS,
                "fragmentLength": GOP_SECONDS,
                "writeHlsManifest": "ENABLED",
                "writeDashManifest": "DISABLED",
                "manifestCompression": "NONE",
                "manifestDurationFormat": "FLOATING_POINT",
                "codecSpecification": "RFC_6381",
                "streamInfResolution": "INCLUDE",
            },
        },
        "outputs": outputs,
    });
    vec![
        ladder,
        whole_film(folder, picture),
        still(folder, "poster", POSTER_PIXELS, picture.seconds),
        still(folder, "thumbnail", THUMBNAIL_PIXELS, picture.seconds),
    ]
}

fn whole_film(folder: &str, picture: Picture) -> Value {
    let (_, pixels, bits) = rungs(picture.long_side)
        .last()
        .unwrap_or(("", 1280, 4_000_000));
    let mut output = json!({
        "containerSettings": {
            "container": "MP4",
            "mp4Settings": { "moovPlacement": "PROGRESSIVE_DOWNLOAD" },
        },
        "videoDescription": h264(pixels, bits),
    });
    if picture.has_sound {
        output = with(output, "audioDescriptions", json!([aac()]));
    }
    file_group(folder, "video", &output)
}

/// Two pictures, of the beginning and of a tenth into it; the service counts them in their names.
fn still(folder: &str, name: &str, pixels: u32, seconds: f64) -> Value {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 1 to 600"
    )]
    let every = (seconds / 10.0).clamp(1.0, 600.0).round() as u32;
    file_group(
        folder,
        name,
        &json!({
            "containerSettings": { "container": "RAW" },
            "videoDescription": {
                "width": pixels,
                "height": pixels,
                "scalingBehavior": "FIT_NO_UPSCALE",
                "codecSettings": {
                    "codec": "FRAME_CAPTURE",
                    "frameCaptureSettings": {
                        "framerateNumerator": 1,
                        "framerateDenominator": every,
                        "maxCaptures": 2,
                        "quality": 80,
                    },
                },
            },
        }),
    )
}

fn sound_file(folder: &str, format: &str) -> Value {
    let (container, codec) = match format {
        "wav" => (
            "RAW",
            json!({ "codec": "WAV", "wavSettings": { "bitDepth": 16, "channels": 2, "sampleRate": 48_000, "format": "RIFF" } }),
        ),
        "flac" => (
            "RAW",
            json!({ "codec": "FLAC", "flacSettings": { "bitDepth": 16, "channels": 2, "sampleRate": 48_000 } }),
        ),
        _ => ("MP4", aac_settings()),
    };
    let output = json!({
        "containerSettings": { "container": container },
        "extension": format,
        "audioDescriptions": [sound(&codec)],
    });
    file_group(folder, "audio", &output)
}

fn file_group(folder: &str, name: &str, output: &Value) -> Value {
    let ending = output.get("extension").and_then(Value::as_str);
    json!({
        "name": "File Group",
        "customName": format!("{name} {}", ending.unwrap_or_default()).trim_end(),
        "outputGroupSettings": {
            "type": "FILE_GROUP_SETTINGS",
            "fileGroupSettings": { "destination": format!("{folder}/{name}") },
        },
        "outputs": [output],
    })
}

/// A picture that fits into a square of so many pixels and is never enlarged. Key frames stand at the same
/// times on every rung, so that players can change between them.
fn h264(pixels: u32, bits: u32) -> Value {
    json!({
        "width": pixels,
        "height": pixels,
        "scalingBehavior": "FIT_NO_UPSCALE",
        "videoPreprocessors": {
            "deinterlacer": { "mode": "DEINTERLACE", "algorithm": "INTERPOLATE", "control": "NORMAL" },
        },
        "codecSettings": {
            "codec": "H_264",
            "h264Settings": {
                "rateControlMode": "QVBR",
                "qvbrSettings": { "qvbrQualityLevel": 7 },
                "maxBitrate": bits,
                "qualityTuningLevel": "SINGLE_PASS_HQ",
                "codecProfile": "HIGH",
                "interlaceMode": "PROGRESSIVE",
                "framerateControl": "INITIALIZE_FROM_SOURCE",
                "parControl": "SPECIFIED",
                "parNumerator": 1,
                "parDenominator": 1,
                "gopSize": GOP_SECONDS,
                "gopSizeUnits": "SECONDS",
                "gopClosedCadence": 1,
                "sceneChangeDetect": "DISABLED",
            },
        },
    })
}

fn aac() -> Value {
    sound(&aac_settings())
}

fn aac_settings() -> Value {
    json!({
        "codec": "AAC",
        "aacSettings": { "bitrate": 160_000, "codingMode": "CODING_MODE_2_0", "sampleRate": 48_000 },
    })
}

/// As loud as what this site makes itself.
fn sound(codec: &Value) -> Value {
    json!({
        "audioSourceName": SOUND,
        "audioNormalizationSettings": {
            "algorithm": "ITU_BS_1770_3",
            "algorithmControl": "CORRECT_AUDIO",
            "loudnessLogging": "DONT_LOG",
            "peakCalculation": "TRUE_PEAK",
            "targetLkfs": TARGET_LUFS,
        },
        "codecSettings": codec,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(long_side: u32) -> Vec<&'static str> {
        rungs(long_side).map(|(name, ..)| name).collect()
    }

    #[test]
    fn the_ladder_never_enlarges_and_keeps_the_picture_as_it_is() {
        assert_eq!(names(320), ["v240"]);
        assert_eq!(names(426), ["v240"]);
        assert_eq!(names(1000), ["v240", "v360", "v480", "v720"]);
        assert_eq!(names(1920), ["v240", "v360", "v480", "v720", "v1080"]);
        assert_eq!(names(7680).len(), 5);
    }

    fn order(wanted: Wanted) -> Value {
        let settings = Settings::parse(
            "mediaconvert:eu-central-1?role=arn:aws:iam::123456789012:role/MediaConvert&queue=lectures",
            "s3://school-files/lyceum",
        );
        let order = Order {
            token: "x".repeat(43),
            input: "uploads/20260302-0f/original".into(),
            folder: "uploads/20260302-0f/cloud-1".into(),
            wanted,
        };
        body(&settings.unwrap(), &order)
    }

    #[test]
    fn a_silent_film_is_asked_for_without_sound() {
        let silent = Picture {
            has_sound: false,
            ..Picture::UNKNOWN
        };
        let body = order(Wanted::Film(silent)).to_string();
        assert!(!body.contains("audioDescriptions"), "{body}");
        assert!(!body.contains("audioSelectors"), "{body}");
        assert!(
            body.contains("s3://school-files/lyceum/uploads/20260302-0f/cloud-1/master"),
            "{body}"
        );
    }

    /// tests/clients/aws_cloud.py holds the file against AWS's own description of the API.
    #[test]
    fn jobs_are_those_that_were_held_against_the_description_of_the_service() {
        let small = Picture {
            long_side: 640,
            seconds: 12.0,
            has_sound: false,
        };
        let formats = ["m4a", "flac", "wav"].map(str::to_owned).to_vec();
        let jobs = json!({
            "film": order(Wanted::Film(Picture::UNKNOWN)),
            "silent": order(Wanted::Film(small)),
            "sound": order(Wanted::Sound(formats)),
        });
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/data/mediaconvert-jobs.json"
        );
        let held: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let told = serde_json::to_string_pretty(&jobs).unwrap();
        assert_eq!(held, jobs, "{path} should be:\n{told}");
    }
}
