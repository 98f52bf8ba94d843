//! What the service says of a job and of a recording: the members of its answers that matter here.

use serde::Deserialize;
use std::collections::HashMap;

use super::Picture;

/// Where a job stands at the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobStatus {
    /// In its line.
    Submitted,
    /// It works.
    Progressing,
    /// Done.
    Complete,
    /// Somebody stopped it.
    Canceled,
    /// It went wrong.
    Error,
    /// Something that this site does not know yet.
    #[serde(other)]
    Other,
}

/// A job as the service describes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Its name there.
    pub id: String,
    /// Where it stands.
    pub status: JobStatus,
    /// Done so far, 0-100.
    #[serde(default)]
    pub job_percent_complete: Option<f64>,
    /// Of jobs that went wrong.
    #[serde(default)]
    pub error_code: Option<i64>,
    /// Of jobs that went wrong.
    #[serde(default)]
    pub error_message: Option<String>,
    /// What we gave along.
    #[serde(default)]
    pub user_metadata: HashMap<String, String>,
    /// What was made.
    #[serde(default)]
    output_group_details: Vec<Group>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    #[serde(default)]
    output_details: Vec<Output>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    #[serde(default)]
    duration_in_ms: Option<f64>,
    #[serde(default)]
    video_details: Option<Sizes>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sizes {
    #[serde(default)]
    width_in_px: i32,
    #[serde(default)]
    height_in_px: i32,
}

impl Job {
    /// The token that was given along.
    pub fn token(&self) -> Option<&str> {
        self.user_metadata.get(super::METADATA).map(String::as_str)
    }

    /// Playing time of the longest result.
    pub fn seconds(&self) -> Option<f64> {
        let lengths = self.outputs().filter_map(|output| output.duration_in_ms);
        lengths.reduce(f64::max).map(|ms| ms / 1000.0)
    }

    /// Width and height of the largest picture, in pixels.
    pub fn size(&self) -> Option<(i32, i32)> {
        let sizes = self.outputs().filter_map(|output| output.video_details);
        let sizes = sizes.map(|found| (found.width_in_px, found.height_in_px));
        sizes
            .filter(|(width, height)| *width > 0 && *height > 0)
            .max_by_key(|(width, height)| i64::from(*width) * i64::from(*height))
    }

    fn outputs(&self) -> impl Iterator<Item = &Output> {
        self.output_group_details
            .iter()
            .flat_map(|group| &group.output_details)
    }
}

/// Answer of `CreateJob` and `GetJob`.
#[derive(Deserialize)]
pub(super) struct OneJob {
    pub job: Job,
}

/// Answer of `SearchJobs`.
#[derive(Deserialize)]
pub(super) struct Jobs {
    #[serde(default)]
    pub jobs: Vec<Job>,
}

/// Answer of `Probe`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Probed {
    #[serde(default)]
    probe_results: Vec<ProbeResult>,
}

#[derive(Deserialize)]
struct ProbeResult {
    #[serde(default)]
    container: Option<Container>,
}

#[derive(Deserialize)]
struct Container {
    #[serde(default)]
    duration: Option<f64>,
    #[serde(default)]
    tracks: Vec<Track>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Track {
    #[serde(default)]
    track_type: String,
    #[serde(default)]
    video_properties: Option<VideoProperties>,
}

#[derive(Deserialize)]
struct VideoProperties {
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
}

impl Probed {
    /// What the service found; `None` when it says nothing of tracks.
    pub(super) fn picture(self) -> Option<Found> {
        let container = self
            .probe_results
            .into_iter()
            .find_map(|one| one.container)?;
        let is_of = |kind: &str| {
            container
                .tracks
                .iter()
                .any(|track| track.track_type == kind)
        };
        if container.tracks.is_empty() {
            return None;
        }
        if !is_of("video") {
            return Some(Found::NoPicture);
        }
        let sides = container.tracks.iter().filter_map(|track| {
            let found = track.video_properties.as_ref()?;
            Some(found.width.max(found.height))
        });
        Some(Found::Film(Picture {
            long_side: sides
                .max()
                .filter(|side| *side > 0)
                .unwrap_or(Picture::UNKNOWN.long_side),
            seconds: container
                .duration
                .filter(|seconds| seconds.is_finite())
                .unwrap_or(0.0),
            has_sound: is_of("audio"),
        }))
    }
}

/// What a recording holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Found {
    /// Moving pictures.
    Film(Picture),
    /// None.
    NoPicture,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_tells_length_and_size_of_what_it_made() {
        let job: Job = serde_json::from_str(
            r#"{"id":"1-a","status":"COMPLETE","userMetadata":{"lyceum":"t"},"outputGroupDetails":[
                {"outputDetails":[{"durationInMs":900,"videoDetails":{"widthInPx":426,"heightInPx":240}},
                                  {"durationInMs":1040}]},
                {"outputDetails":[{"durationInMs":1000,"videoDetails":{"widthInPx":1280,"heightInPx":720}}]}]}"#,
        )
        .unwrap();
        assert_eq!(job.seconds(), Some(1.04));
        assert_eq!(job.size(), Some((1280, 720)));
        assert_eq!(job.token(), Some("t"));
    }

    #[test]
    fn a_state_that_is_new_is_no_fault() {
        let job: Job = serde_json::from_str(r#"{"id":"1","status":"RESTING"}"#).unwrap();
        assert_eq!(job.status, JobStatus::Other);
        assert_eq!((job.seconds(), job.size()), (None, None));
    }

    #[test]
    fn what_a_film_holds_is_read_from_its_tracks() {
        let read = |text: &str| serde_json::from_str::<Probed>(text).unwrap().picture();
        let film = read(
            r#"{"probeResults":[{"container":{"duration":12.5,"tracks":[
                {"trackType":"video","videoProperties":{"width":1080,"height":1920}},{"trackType":"data"}]}}]}"#,
        );
        let expected = Picture {
            long_side: 1920,
            seconds: 12.5,
            has_sound: false,
        };
        assert_eq!(film, Some(Found::Film(expected)));
        let sound = read(r#"{"probeResults":[{"container":{"tracks":[{"trackType":"audio"}]}}]}"#);
        assert_eq!(sound, Some(Found::NoPicture));
        assert_eq!(read("{}"), None);
    }
}
