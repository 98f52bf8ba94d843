//! What the caches tell: as metrics, and as a table for a terminal.

use super::Exposition;
use crate::app::App;
use crate::web::text;
use backends::cache::{Cache, CacheReport, NearReport, ServerReport, SpaceReport};
use futures::future::{BoxFuture, join_all};
use std::fmt::Write as _;

/// The counts of every cache, and what its servers say of themselves.
pub fn caches<'a>(app: &'a App, exposition: &'a mut Exposition) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        for (name, report, servers) in ask(app).await {
            tell_cache(exposition, name, &report);
            for space in &report.spaces {
                tell_space(exposition, name, space);
            }
            if let Some(near) = &report.near {
                tell_near(exposition, name, near);
            }
            for server in &servers {
                tell_server(exposition, name, server);
            }
        }
    })
}

/// All of them at once, since a server that is away takes a second to say nothing.
async fn ask(app: &App) -> Vec<(&str, CacheReport, Vec<ServerReport>)> {
    let asked = app.caches.iter().map(async |(name, cache): (_, &Cache)| {
        let (report, servers) = tokio::join!(cache.report(), cache.servers());
        (name, report, servers)
    });
    join_all(asked).await
}

fn tell_cache(exposition: &mut Exposition, name: &str, report: &CacheReport) {
    let kind = [("cache", name), ("backend", report.kind)];
    exposition
        .gauge(
            "lyceum_cache_up",
            "1 while the backend is asked, 0 while it is gone round.",
        )
        .add(&kind, u64::from(report.is_available));
    exposition
        .counter(
            "lyceum_cache_away_total",
            "How often the backend went away.",
        )
        .add(&kind, report.times_away);
}

fn tell_space(exposition: &mut Exposition, name: &str, space: &SpaceReport) {
    let labels = [("cache", name), ("space", space.space.as_str())];
    let mut count = |family, help, value| {
        exposition.counter(family, help).add(&labels, value);
    };
    count(
        "lyceum_cache_hits_total",
        "Reads that found something.",
        space.hits,
    );
    count(
        "lyceum_cache_misses_total",
        "Reads that found nothing.",
        space.misses,
    );
    count("lyceum_cache_writes_total", "Values stored.", space.writes);
    count(
        "lyceum_cache_deletes_total",
        "Names that were to be forgotten.",
        space.deletes,
    );
    count(
        "lyceum_cache_read_bytes_total",
        "Bytes of the values found.",
        space.bytes_read,
    );
    count(
        "lyceum_cache_written_bytes_total",
        "Bytes of the values stored.",
        space.bytes_written,
    );
    count(
        "lyceum_cache_slow_calls_total",
        "Calls of 10 ms and more to the backend.",
        space.slow_calls,
    );
    count(
        "lyceum_cache_faults_total",
        "Calls that the backend did not answer.",
        space.faults,
    );
}

fn tell_near(exposition: &mut Exposition, name: &str, near: &NearReport) {
    let labels = [("cache", name)];
    let mut count = |family, help, value| {
        exposition.counter(family, help).add(&labels, value);
    };
    count(
        "lyceum_cache_near_hits_total",
        "Reads that the memory in front of the backend answered.",
        near.hits,
    );
    count(
        "lyceum_cache_near_misses_total",
        "Reads that went on to the backend.",
        near.misses,
    );
    count(
        "lyceum_cache_near_drops_total",
        "Names dropped because another process changed them.",
        near.drops,
    );
    exposition
        .gauge(
            "lyceum_cache_near_bypassed",
            "1 while the memory is gone round, since other processes are not heard.",
        )
        .add(&labels, u64::from(near.is_bypassed));
    exposition
        .gauge("lyceum_cache_near_bytes", "Bytes in that memory.")
        .add(&labels, near.bytes_used);
}

fn tell_server(exposition: &mut Exposition, name: &str, server: &ServerReport) {
    let labels = [("cache", name), ("server", server.address.as_str())];
    let mut gauge = |family, help, value| {
        exposition.gauge(family, help).add_some(&labels, value);
    };
    gauge(
        "lyceum_cache_server_up",
        "1 when the server answered just now.",
        Some(u64::from(server.fault.is_none())),
    );
    gauge(
        "lyceum_cache_server_entries",
        "Entries, of whomever.",
        server.entries,
    );
    gauge(
        "lyceum_cache_server_used_bytes",
        "Bytes in use.",
        server.bytes_used,
    );
    gauge(
        "lyceum_cache_server_limit_bytes",
        "Bytes that it may use.",
        server.bytes_limit,
    );
    gauge(
        "lyceum_cache_server_connections",
        "Clients connected.",
        server.connections,
    );
    gauge(
        "lyceum_cache_server_uptime_seconds",
        "Since when it runs.",
        server.uptime_seconds,
    );
    tell_server_counts(exposition, labels, server);
}

fn tell_server_counts(
    exposition: &mut Exposition,
    labels: [(&str, &str); 2],
    server: &ServerReport,
) {
    let mut count = |family, help, value| {
        exposition.counter(family, help).add_some(&labels, value);
    };
    count(
        "lyceum_cache_server_evictions_total",
        "Entries pushed out for want of room.",
        server.evictions,
    );
    count(
        "lyceum_cache_server_hits_total",
        "Reads that found something, by whomever.",
        server.hits,
    );
    count(
        "lyceum_cache_server_misses_total",
        "Reads that found nothing, by whomever.",
        server.misses,
    );
}

/// The same for a terminal. `is_serving`: whether this is the process whose counts are meant; a command has counted
/// nothing, and sees only what others see as well.
pub async fn table(app: &App, is_serving: bool) -> String {
    let mut out = String::new();
    for (name, report, servers) in ask(app).await {
        let place = match report.kind {
            "redis" | "memcached" => format!(", {}", report.place),
            _ => String::new(),
        };
        let state = if report.is_available {
            ""
        } else {
            ", away: looked at as empty until it answers again"
        };
        // Writing into a text does not fail.
        let _ = writeln!(out, "{name} ({}{place}){state}", report.kind);
        if is_serving {
            spaces(&mut out, &report.spaces);
        }
        let is_shared = app.caches.named(name).is_shared();
        if is_serving || is_shared {
            for server in &servers {
                server_line(&mut out, server);
            }
        }
    }
    out
}

fn spaces(out: &mut String, spaces: &[SpaceReport]) {
    let head = [
        "key space",
        "hits",
        "misses",
        "ratio",
        "writes",
        "slow",
        "faults",
    ];
    line(out, &head.map(str::to_owned));
    for space in spaces {
        let all = space.hits.saturating_add(space.misses);
        let ratio = if all == 0 {
            "-".to_owned()
        } else {
            format!("{:.1} %", space.hits as f64 / all as f64 * 100.0)
        };
        let name = match space.space.as_str() {
            "" => "(none)",
            name => name,
        };
        line(
            out,
            &[
                name.to_owned(),
                space.hits.to_string(),
                space.misses.to_string(),
                ratio,
                space.writes.to_string(),
                space.slow_calls.to_string(),
                space.faults.to_string(),
            ],
        );
    }
}

fn line(out: &mut String, cells: &[String; 7]) {
    let [name, rest @ ..] = cells;
    let _ = write!(out, "  {name:24}");
    for cell in rest {
        let _ = write!(out, " {cell:>11}");
    }
    out.push('\n');
}

fn server_line(out: &mut String, server: &ServerReport) {
    let size = |bytes: u64| text::size(i64::try_from(bytes).unwrap_or(i64::MAX));
    let mut parts = Vec::new();
    if let Some(fault) = &server.fault {
        parts.push(fault.clone());
    }
    if let Some(entries) = server.entries {
        parts.push(format!("{entries} entries"));
    }
    match (server.bytes_used, server.bytes_limit) {
        (Some(used), Some(limit)) => parts.push(format!("{} of {}", size(used), size(limit))),
        (Some(used), None) => parts.push(size(used)),
        _ => {}
    }
    let mut count = |value: Option<u64>, words: &str| {
        parts.extend(value.map(|value| format!("{value} {words}")));
    };
    count(server.evictions, "evicted");
    count(server.connections, "connections");
    count(server.hits, "hits");
    count(server.misses, "misses");
    parts.extend(
        server
            .uptime_seconds
            .map(|up| format!("up {}", text::span(up as f64))),
    );
    parts.extend(
        server
            .version
            .as_ref()
            .map(|version| format!("version {version}")),
    );
    let _ = writeln!(out, "  {}: {}", server.address, parts.join(", "));
}
