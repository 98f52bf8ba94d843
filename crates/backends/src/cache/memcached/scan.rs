//! What concerns a whole server: forgetting all names of one prefix, and its figures.

use std::time::Duration;

use percent_encoding::percent_decode;

use super::server::Server;
use super::wire::{Connection, Request, words};
use crate::cache::ServerReport;
use crate::cache::fault::Fault;
use crate::cache::key::is_under;

/// How long a server may be silent while it lists its names.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long until it is asked again when somebody else has it list names, and how often.
const BUSY_WAIT: Duration = Duration::from_millis(50);
const BUSY_TRIES: usize = 40;

/// How many names are deleted in one request.
const BATCH: usize = 1_000;

/// Forgets every name of this prefix, and no other program's: the names are listed, and those that
/// are ours deleted. Memcached itself can only forget all of everybody's (`flush_all`).
pub async fn clear(server: &Server, prefix: &str) -> Result<(), Fault> {
    let mut connection = server.connect(PATIENCE).await?;
    let names = ours(&mut connection, prefix).await?;
    for names in names.chunks(BATCH) {
        let mut request = Request::default();
        for name in names {
            request.push(&format!("delete {name}\r\n"));
        }
        for line in connection.lines(&request, names.len()).await? {
            if line != "DELETED" && line != "NOT_FOUND" {
                return Err(super::wire::refusal(&line));
            }
        }
    }
    Ok(())
}

async fn ours(connection: &mut Connection, prefix: &str) -> Result<Vec<String>, Fault> {
    // `hash` walks the table of all items; `all`, which servers before 1.6 know, walks lists on
    // which items move meanwhile.
    let mut scope = "hash";
    let mut tries = 0;
    loop {
        let mut names = Vec::new();
        let request = Request::default().text(&format!("lru_crawler metadump {scope}\r\n"));
        let listed = connection.listing(&request, |line| {
            names.extend(name_of(line).filter(|name| is_under(prefix, name)));
        });
        match listed.await {
            Ok(()) => return Ok(names),
            Err(Fault::Garbled(said)) if said.starts_with("BUSY") && tries < BUSY_TRIES => {
                tries += 1;
                tokio::time::sleep(BUSY_WAIT).await;
            }
            Err(Fault::Garbled(said)) if said.starts_with("BUSY") => {
                return Err(Fault::Refused("others have it list its names".to_owned()));
            }
            Err(Fault::Garbled(said)) if scope == "hash" && !said.starts_with("key=") => {
                scope = "all";
            }
            Err(fault) => return Err(fault),
        }
    }
}

fn name_of(line: &[u8]) -> Option<String> {
    let name = words(line).next()?.strip_prefix("key=")?;
    let name = percent_decode(name.as_bytes()).decode_utf8().ok()?;
    Some(name.into_owned())
}

/// The server's own figures.
pub async fn report(server: &Server) -> Result<ServerReport, Fault> {
    let mut report = ServerReport {
        address: server.label().to_owned(),
        ..ServerReport::default()
    };
    let listed = server.listing("stats\r\n", |line| {
        let mut words = words(line).skip(1);
        let (Some(key), Some(value)) = (words.next(), words.next()) else {
            return;
        };
        let number = value.parse().ok();
        match key {
            "curr_items" => report.entries = number,
            "bytes" => report.bytes_used = number,
            "limit_maxbytes" => report.bytes_limit = number,
            "evictions" => report.evictions = number,
            "curr_connections" => report.connections = number,
            "uptime" => report.uptime_seconds = number,
            "version" => report.version = Some(value.to_owned()),
            "get_hits" => report.hits = number,
            "get_misses" => report.misses = number,
            _ => {}
        }
    });
    listed.await?;
    Ok(report)
}
