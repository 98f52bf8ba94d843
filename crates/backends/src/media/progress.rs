//! How far the work has come, over all its passes, and how long it will still take, from ffmpeg's own
//! `-progress` report. Who is told, and where it is kept, is not known here.

use std::time::Duration;

use tokio::time::Instant;

/// How far the work has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// 0 to 100 over all passes; never falls, and is 100 only when all is done.
    pub percent: f64,
    /// None until it can be told.
    pub seconds_left: Option<u64>,
}

/// Below this share of a pass, or this time, a guess at the rest would jump about.
const SHARE_TO_GUESS: f64 = 0.02;
const TIME_TO_GUESS: Duration = Duration::from_millis(400);

/// Turns the passes of one job into one growing number.
pub(super) struct Meter<'a> {
    tell: &'a mut (dyn FnMut(Progress) + Send),
    /// The share of each pass that is still to come, the next one last.
    coming: Vec<f64>,
    weight: f64,
    done: f64,
    shown: f64,
    media_seconds: f64,
    pass_started: Instant,
    last_sign: [String; 3],
}

impl<'a> Meter<'a> {
    /// `weights`: the guessed cost of each pass, in their order. Tells 0 % at once.
    pub fn new(
        weights: &[f64],
        media_seconds: f64,
        tell: &'a mut (dyn FnMut(Progress) + Send),
    ) -> Self {
        let total: f64 = weights.iter().sum();
        tell(Progress {
            percent: 0.0,
            seconds_left: None,
        });
        Self {
            tell,
            coming: weights.iter().rev().map(|weight| weight / total).collect(),
            weight: 0.0,
            done: 0.0,
            shown: 0.0,
            media_seconds,
            pass_started: Instant::now(),
            last_sign: Default::default(),
        }
    }

    /// The next pass begins; the one before counts as done.
    pub fn next_pass(&mut self) {
        self.done += self.weight;
        self.weight = self.coming.pop().unwrap_or(0.0);
        self.pass_started = Instant::now();
        self.last_sign = Default::default();
    }

    /// Takes one line of `-progress`; true when it shows headway.
    pub fn line(&mut self, line: &str) -> bool {
        let Some((key, value)) = line.split_once('=') else {
            return false;
        };
        let sign = match key {
            "frame" => 0,
            "total_size" => 1,
            "out_time_us" => 2,
            _ => return false,
        };
        let Some(last) = self.last_sign.get_mut(sign) else {
            return false;
        };
        if last == value {
            return false;
        }
        value.clone_into(last);
        if key == "out_time_us"
            && let Ok(micros) = value.trim().parse::<i64>()
        {
            self.at(Duration::from_micros(micros.max(0).unsigned_abs()).as_secs_f64());
        }
        true
    }

    /// Everything is done: tells 100 %.
    pub fn finish(self) {
        (self.tell)(Progress {
            percent: 100.0,
            seconds_left: Some(0),
        });
    }

    fn at(&mut self, media_second: f64) {
        let share = if self.media_seconds > 0.0 {
            (media_second / self.media_seconds).clamp(0.0, 1.0)
        } else {
            0.0
        };
        let percent = (self.done + self.weight * share) * 100.0;
        self.shown = self.shown.max(percent.clamp(0.0, 99.9));
        let progress = Progress {
            percent: self.shown,
            seconds_left: self.seconds_left(share, self.pass_started.elapsed()),
        };
        (self.tell)(progress);
    }

    /// This pass at its own pace, and those after it by their guessed cost in terms of this one.
    fn seconds_left(&self, share: f64, elapsed: Duration) -> Option<u64> {
        if share < SHARE_TO_GUESS || elapsed < TIME_TO_GUESS || self.weight <= 0.0 {
            return None;
        }
        let pass_seconds = elapsed.as_secs_f64() / share;
        let coming: f64 = self.coming.iter().sum();
        let left = pass_seconds * (1.0 - share) + pass_seconds * coming / self.weight;
        Some(Duration::try_from_secs_f64(left.ceil()).ok()?.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_over_all_passes_and_only_the_end_is_a_hundred() {
        let mut told = Vec::new();
        let mut tell = |progress: Progress| told.push(progress.percent);
        let mut meter = Meter::new(&[1.0, 3.0], 10.0, &mut tell);
        meter.next_pass();
        for line in [
            "out_time_us=N/A",
            "out_time_us=5000000",
            "out_time_us=20000000",
        ] {
            meter.line(line);
        }
        meter.next_pass();
        for line in [
            "out_time_us=-1",
            "out_time_us=5000000",
            "out_time_us=9000000000",
        ] {
            meter.line(line);
        }
        meter.finish();
        assert_eq!(told, [0.0, 12.5, 25.0, 25.0, 62.5, 99.9, 100.0]);
    }

    #[test]
    fn the_same_report_twice_is_no_headway() {
        let mut tell = |_| {};
        let mut meter = Meter::new(&[1.0], 10.0, &mut tell);
        meter.next_pass();
        assert!(meter.line("frame=1"));
        assert!(!meter.line("frame=1"));
        assert!(meter.line("frame=2"));
        assert!(!meter.line("speed=1x"));
        assert!(!meter.line("progress=continue"));
    }

    #[test]
    fn the_time_left_counts_the_passes_to_come() {
        let mut tell = |_| {};
        let mut meter = Meter::new(&[1.0, 3.0], 10.0, &mut tell);
        meter.next_pass();
        assert_eq!(meter.seconds_left(0.5, Duration::from_secs(2)), Some(14));
        assert_eq!(meter.seconds_left(0.0, Duration::from_secs(2)), None);
        meter.next_pass();
        assert_eq!(meter.seconds_left(0.5, Duration::from_secs(6)), Some(6));
    }
}
