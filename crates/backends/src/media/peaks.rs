//! How loud a recording is along its time, to be drawn as a waveform: `peaks.json`. The highest sample of each equal
//! part, told by ffmpeg while the recording is measured; a few hundred numbers however long it is.

/// More would not be seen.
const MOST_PEAKS: usize = 1000;
/// As many are asked for. A file that is longer than it says by less than the difference keeps them.
const WANTED_PEAKS: f64 = 960.0;
/// No part is shorter, in seconds.
const SHORTEST_PART: f64 = 0.1;
/// What ffmpeg calls the peak.
const KEY: &str = "lavfi.astats.Overall.Peak_level";

/// Gathers peaks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Peaks {
    part_seconds: f64,
    /// From 0 to 1, a part each.
    levels: Vec<f64>,
    /// How many of ffmpeg's parts are one of these.
    parts_in_one: usize,
    /// Of how many parts the last one is made so far.
    in_last: usize,
}

impl Peaks {
    /// For a recording that says it is so long. If it is longer after all, the parts become longer.
    pub fn new(duration_seconds: f64) -> Self {
        Self {
            part_seconds: (duration_seconds / WANTED_PEAKS).max(SHORTEST_PART),
            levels: Vec::new(),
            parts_in_one: 1,
            in_last: 1,
        }
    }

    /// The filters that tell them on standard output, one line a part.
    pub fn filters(&self, sample_rate: u32) -> String {
        let samples = (self.part_seconds * f64::from(sample_rate)).round();
        format!(
            "aformat=sample_rates={sample_rate},asetnsamples=n={samples}:p=0,\
             astats=metadata=1:reset=1:measure_perchannel=none:measure_overall=Peak_level,\
             ametadata=mode=print:key={KEY}:file=pipe\\\\:1:direct=1"
        )
    }

    /// Takes a line of ffmpeg's output; whether it was a peak.
    pub fn line(&mut self, line: &str) -> bool {
        let Some(value) = line
            .strip_prefix(KEY)
            .and_then(|rest| rest.strip_prefix('='))
        else {
            return false;
        };
        // Silence is minus infinity; what is no number is taken for it.
        let decibels: f64 = value.trim().parse().unwrap_or(f64::NEG_INFINITY);
        self.add(10_f64.powf(decibels / 20.0));
        true
    }

    fn add(&mut self, level: f64) {
        let level = if level.is_finite() { level } else { 0.0 };
        match self.levels.last_mut() {
            Some(last) if self.in_last < self.parts_in_one => {
                *last = last.max(level);
                self.in_last += 1;
                return;
            }
            _ => {}
        }
        if self.levels.len() == MOST_PEAKS {
            let pairs = self.levels.chunks(2);
            self.levels = pairs
                .map(|pair| pair.iter().copied().fold(0.0, f64::max))
                .collect();
            self.parts_in_one *= 2;
        }
        self.levels.push(level);
        self.in_last = 1;
    }

    /// `{"version":1,"duration":<seconds>,"peaks":[<0 to 255>, ...]}`: as loud as the recording is after a gain.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to a byte before"
    )]
    pub fn json(&self, duration_seconds: f64, gain_db: f64) -> String {
        let gain = 10_f64.powf(gain_db / 20.0);
        let bytes: Vec<u8> = self
            .levels
            .iter()
            .map(|level| (level * gain * 255.0).round().clamp(0.0, 255.0) as u8)
            .collect();
        let duration = (duration_seconds * 1000.0).round() / 1000.0;
        serde_json::json!({"version": 1, "duration": duration, "peaks": bytes}).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(peaks: &mut Peaks, decibels: &str) {
        assert!(peaks.line(&format!("{KEY}={decibels}")));
    }

    #[test]
    fn peaks_are_bytes_after_the_gain() {
        let mut peaks = Peaks::new(0.4);
        for decibels in ["0.000000", "-6.020600", "-inf", "nan", "9"] {
            level(&mut peaks, decibels);
        }
        assert!(!peaks.line("frame:0    pts:0       pts_time:0"));
        assert!(!peaks.line("out_time_us=9"));
        assert_eq!(
            peaks.json(0.4, -6.0206),
            r#"{"duration":0.4,"peaks":[127,64,0,0,255],"version":1}"#
        );
        assert!(peaks.filters(48_000).contains("asetnsamples=n=4800:"));
        assert!(
            Peaks::new(9600.0)
                .filters(44_100)
                .contains("asetnsamples=n=441000:")
        );
    }

    #[test]
    fn a_recording_longer_than_it_says_has_no_more_peaks_and_loses_none() {
        let mut peaks = Peaks::new(1.0);
        for part in 0..1_000_003 {
            level(&mut peaks, if part == 777_777 { "0" } else { "-40" });
        }
        assert!((500..=MOST_PEAKS).contains(&peaks.levels.len()));
        let loud = peaks.levels.iter().position(|level| *level > 0.9);
        assert_eq!(loud, Some(777_777 / peaks.parts_in_one));
        let parts = (peaks.levels.len() - 1) * peaks.parts_in_one + peaks.in_last;
        assert_eq!(parts, 1_000_003);
    }
}
