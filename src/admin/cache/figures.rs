//! The figures of a cache as its page shows them.

use super::chart::{Chart, draw, percent};
use crate::app::App;
use crate::web::identity::Person;
use crate::web::metrics::{Slot, Span};
use crate::web::text;
use backends::cache::{Cache, CacheReport, NearReport, ServerReport, SpaceReport};
use chrono::{DateTime, Utc};

/// One cache.
pub struct CacheView {
    /// Its name in the configuration.
    pub name: String,
    /// What it is and where.
    pub kind: String,
    /// Whether it answers.
    pub is_available: bool,
    /// Whether it keeps anything at all.
    pub is_off: bool,
    /// How many of its servers do not answer.
    pub servers_away: usize,
    /// How many there are.
    pub servers_all: usize,
    /// What stands out: a name and a figure.
    pub tiles: Vec<(&'static str, String)>,
    /// The key space whose ratio is drawn; none for all of them.
    pub chosen: Option<String>,
    /// The ratio over time.
    pub chart: Chart,
    /// Its figures, for those who cannot see it.
    pub slots: Vec<SlotRow>,
    /// Labels below it.
    pub times: Vec<String>,
    /// Each key space.
    pub spaces: Vec<SpaceRow>,
    /// Each server, or whatever holds the entries.
    pub servers: Vec<ServerRow>,
}

/// What happened in a slot of time.
pub struct SlotRow {
    /// When it began, in the reader's zone.
    pub time: String,
    /// Reads that found something.
    pub hits: String,
    /// Reads that did not.
    pub misses: String,
    /// The share.
    pub ratio: String,
}

/// One key space.
pub struct SpaceRow {
    /// Its name.
    pub name: String,
    /// What is kept there, in words.
    pub about: &'static str,
    /// Where its ratio is drawn large.
    pub path: String,
    /// Whether that is so now.
    pub is_chosen: bool,
    /// Reads that found something.
    pub hits: String,
    /// Reads that did not.
    pub misses: String,
    /// The share; empty where nothing was read.
    pub ratio: String,
    /// The same over time.
    pub chart: Chart,
    /// Values stored.
    pub writes: String,
    /// Calls of 10 ms and more.
    pub slow: String,
    /// Calls that were not answered.
    pub faults: String,
}

/// One server, or the memory of this process, a table, a folder.
pub struct ServerRow {
    /// Its address.
    pub name: String,
    /// What is wrong with it.
    pub fault: Option<String>,
    /// How full it is, in percent, where it has a limit.
    pub fill: Option<u64>,
    /// The same in words.
    pub room: String,
    /// Further figures: a name and a value.
    pub facts: Vec<(&'static str, String)>,
}

/// What was asked for.
pub struct Wanted<'a> {
    /// Who reads it.
    pub person: &'a Person,
    /// Which stretch of time.
    pub span: Span,
    /// Which key space of which cache is drawn large.
    pub chosen: Option<(&'a str, &'a str)>,
}

impl Wanted<'_> {
    fn path(&self, cache: &str, space: &str) -> String {
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        pairs.append_pair("of", cache).append_pair("space", space);
        if self.span == Span::Day {
            pairs.append_pair("range", "day");
        }
        format!("{}?{}#cache-{cache}", super::PATH, pairs.finish())
    }
}

/// Asks one cache and its servers.
pub async fn view(app: &App, wanted: &Wanted<'_>, name: &str, cache: &Cache) -> CacheView {
    let (report, servers) = tokio::join!(cache.report(), cache.servers());
    let now = app.clock.now();
    app.history.note(now, name, &report.spaces);
    let chosen = wanted.chosen.filter(|(of, _)| *of == name);
    let chosen = chosen.map(|(_, space)| space);
    let chosen = chosen.filter(|chosen| report.spaces.iter().any(|one| one.space == *chosen));
    let slots = app.history.slots(wanted.span, now, name, chosen);
    let servers_all = servers.len();
    let servers_away = servers.iter().filter(|one| one.fault.is_some()).count();
    let mut servers: Vec<ServerRow> = servers.iter().map(|one| server(&report, one)).collect();
    servers.extend(report.near.as_ref().map(near));
    CacheView {
        name: name.to_owned(),
        kind: kind(&report),
        is_available: report.is_available,
        is_off: report.kind == "off",
        servers_away,
        servers_all,
        tiles: tiles(&report),
        chosen: chosen.map(str::to_owned),
        chart: draw(&slots, false),
        times: times(&slots, wanted.person),
        slots: slot_rows(&slots, wanted.person),
        spaces: report
            .spaces
            .iter()
            .map(|one| space(app, wanted, (name, now), one, chosen))
            .collect(),
        servers,
    }
}

fn kind(report: &CacheReport) -> String {
    let what = match report.kind {
        "memory" => "In the memory of this process",
        "redis" => "Redis",
        "memcached" => "Memcached",
        "database" => "In the site's database",
        "file" => "In files",
        _ => "Off: keeps nothing",
    };
    match (report.kind, report.place.as_str()) {
        // A list of servers is written in brackets.
        ("redis" | "memcached", place) => format!("{what}, {}", place.trim_matches(['[', ']'])),
        _ => what.to_owned(),
    }
}

fn sum(report: &CacheReport, count: impl Fn(&SpaceReport) -> u64) -> u64 {
    report.spaces.iter().map(count).fold(0, u64::saturating_add)
}

fn tiles(report: &CacheReport) -> Vec<(&'static str, String)> {
    let (hits, misses) = (sum(report, |one| one.hits), sum(report, |one| one.misses));
    let mut tiles = vec![
        (
            "Hit ratio",
            ratio(hits, misses).unwrap_or_else(|| "-".into()),
        ),
        ("Hits", grouped(hits)),
        ("Misses", grouped(misses)),
        ("Stored", grouped(sum(report, |one| one.writes))),
        ("Slow calls", grouped(sum(report, |one| one.slow_calls))),
        ("Not answered", grouped(sum(report, |one| one.faults))),
        ("Times away", grouped(report.times_away)),
    ];
    if report.owed != Some(0) {
        let owed = report
            .owed
            .map_or("everything".into(), |names| grouped(names as u64));
        tiles.push(("To be forgotten", owed));
    }
    tiles
}

fn ratio(hits: u64, misses: u64) -> Option<String> {
    let all = hits.saturating_add(misses);
    (all > 0).then(|| percent(hits as f64 / all as f64))
}

/// `7,204,880`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn size(bytes: u64) -> String {
    text::size(i64::try_from(bytes).unwrap_or(i64::MAX))
}

fn clock(time: DateTime<Utc>, person: &Person) -> String {
    time.with_timezone(&person.time_zone)
        .format("%H:%M")
        .to_string()
}

/// Labels at the beginning, after each quarter, and `now`.
fn times(slots: &[Slot], person: &Person) -> Vec<String> {
    let step = (slots.len() / 4).max(1);
    let quarters = slots.iter().step_by(step).take(4);
    let mut times: Vec<String> = quarters.map(|slot| clock(slot.began, person)).collect();
    times.push("now".into());
    times
}

fn slot_rows(slots: &[Slot], person: &Person) -> Vec<SlotRow> {
    let row = |slot: &Slot| {
        Some(SlotRow {
            time: clock(slot.began, person),
            hits: grouped(slot.hits),
            misses: grouped(slot.misses),
            ratio: percent(slot.ratio()?),
        })
    };
    slots.iter().rev().filter_map(row).collect()
}

fn space(
    app: &App,
    wanted: &Wanted<'_>,
    (cache, now): (&str, DateTime<Utc>),
    report: &SpaceReport,
    chosen: Option<&str>,
) -> SpaceRow {
    let slots = app
        .history
        .slots(wanted.span, now, cache, Some(&report.space));
    SpaceRow {
        name: match report.space.as_str() {
            "" => "(none)".into(),
            name => name.to_owned(),
        },
        about: about(&report.space),
        path: wanted.path(cache, &report.space),
        is_chosen: chosen == Some(report.space.as_str()),
        hits: grouped(report.hits),
        misses: grouped(report.misses),
        ratio: ratio(report.hits, report.misses).unwrap_or_default(),
        chart: draw(&slots, true),
        writes: grouped(report.writes),
        slow: grouped(report.slow_calls),
        faults: grouped(report.faults),
    }
}

/// What is kept in a key space; empty for one that is not known here.
fn about(space: &str) -> &'static str {
    match space {
        "" => "Keys without a key space",
        "..." => "Further key spaces, counted together",
        "page" => "Whole pages for visitors",
        "fragment" => "Parts of pages",
        "media" => "Who may have which file",
        "transcript" | "transcript-start" => "Lines of captions",
        "lesson" | "lesson-outline" => "Lessons as all their students see them",
        "study" => "What somebody has done in a course",
        "contents" => "Courses with their lessons, for programs",
        "rest" => "Answers of the API",
        "course-head" => "Courses as the API asks for them first",
        "enrolled" => "Who is in which course",
        "api-rate" => "Counts of calls of the API",
        "admin-counts" => "Counts beside the places of the admin site",
        "announced" => "How many have read what was announced",
        "shelf" => "Somebody's own courses",
        "unread" => "Somebody's unread messages",
        "rooms-unread" => "Which rooms hold something new for somebody",
        "login-failures" => "Counts of wrong passwords",
        "login-wait" => "Who has to wait after wrong passwords",
        _ => "",
    }
}

fn server(report: &CacheReport, server: &ServerReport) -> ServerRow {
    let mut facts = Vec::new();
    let mut add = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
    add("Entries", server.entries.map(grouped));
    add("Evicted", server.evictions.map(grouped));
    add("Connections", server.connections.map(grouped));
    add("Hits, by all", server.hits.map(grouped));
    add("Misses, by all", server.misses.map(grouped));
    add("Up", server.uptime_seconds.map(|up| text::span(up as f64)));
    add("Version", server.version.clone());
    ServerRow {
        name: match report.kind {
            "memory" => "This process".into(),
            "database" => "The table of entries".into(),
            "file" => "The folder".into(),
            _ => server.address.clone(),
        },
        fault: server.fault.clone(),
        fill: fill(server.bytes_used, server.bytes_limit),
        room: room(server.bytes_used, server.bytes_limit),
        facts,
    }
}

fn near(report: &NearReport) -> ServerRow {
    let mut facts = vec![
        ("Entries", grouped(report.entries)),
        ("Hits", grouped(report.hits)),
        ("Misses", grouped(report.misses)),
        ("Dropped for others", grouped(report.drops)),
    ];
    if report.is_bypassed {
        facts.push(("Gone round", "others are not heard".into()));
    }
    ServerRow {
        name: "Memory in front of it".into(),
        fault: None,
        fill: None,
        room: room(Some(report.bytes_used), None),
        facts,
    }
}

fn fill(used: Option<u64>, limit: Option<u64>) -> Option<u64> {
    let (used, limit) = (used?, limit.filter(|limit| *limit > 0)?);
    let percent = u128::from(used) * 100 / u128::from(limit);
    Some(u64::try_from(percent).unwrap_or(100).min(100))
}

fn room(used: Option<u64>, limit: Option<u64>) -> String {
    match (used, limit) {
        (Some(used), Some(limit)) => {
            let free = limit.saturating_sub(used);
            format!(
                "{} used, {} free of {}",
                size(used),
                size(free),
                size(limit)
            )
        }
        (Some(used), None) => format!("{} used", size(used)),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{fill, grouped, room};

    #[test]
    fn large_numbers_can_be_read() {
        let shown = [0, 999, 1_000, 7_204_880].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "7,204,880"]);
    }

    #[test]
    fn room_is_told_with_and_without_a_limit() {
        assert_eq!(fill(Some(50), Some(200)), Some(25));
        assert_eq!(fill(Some(500), Some(200)), Some(100));
        assert_eq!(fill(Some(50), Some(0)), None);
        assert_eq!(
            room(Some(2_000), Some(8_000)),
            "2 kB used, 6 kB free of 8 kB"
        );
        assert_eq!(room(Some(2_000), None), "2 kB used");
        assert_eq!(room(None, Some(1)), "");
    }
}
