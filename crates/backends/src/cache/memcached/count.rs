//! Changes on the condition that nobody else made one: counting on signed numbers, deleting a certain value.
//!
//! Memcached counts on unsigned numbers and stops at zero when it counts down, so that its `decr`
//! cannot be used. Small steps up are its `incr`; everything else reads the number and replaces it
//! on the condition that nobody else did (`mg` and `ms` with a CAS value), until that works.

use bytes::Bytes;

use super::server::Server;
use super::wire::{Item, Request, refusal};
use crate::cache::fault::Fault;
use crate::cache::value;

/// Up to this step a number beyond 64 bits signed cannot be taken beyond 64 bits unsigned by the
/// calls under way, and so not come out small again.
const LARGEST_STEP: u64 = 1 << 32;

/// How often a number is read again because somebody else changed it, before giving up.
const MOST_TRIES: usize = 1_000;

/// Adds `by` to the number under this name; none where nothing is.
pub async fn count(server: &Server, name: &str, by: i64) -> Result<Option<i64>, Fault> {
    let step = match u64::try_from(by) {
        Ok(step) if step <= LARGEST_STEP => step,
        _ => return exchange(server, name, by).await,
    };
    let line = server.line(&incr(name, step)).await?;
    if line == "NOT_FOUND" {
        return Ok(None);
    }
    // "cannot increment or decrement non-numeric value": no number, or a negative one.
    if line.starts_with(b"CLIENT_ERROR") {
        return exchange(server, name, by).await;
    }
    let number: Option<u64> = std::str::from_utf8(&line).ok().and_then(|n| n.parse().ok());
    let number = number.ok_or_else(|| refusal(&line))?;
    match i64::try_from(number) {
        // Less than was added: beyond 64 bits Memcached begins at zero again.
        Ok(sum) if number >= step => Ok(Some(sum)),
        _ => {
            // Which takes it back as well.
            server.line(&incr(name, step.wrapping_neg())).await?;
            Err(Fault::NotANumber)
        }
    }
}

fn incr(name: &str, step: u64) -> Request {
    Request::default().text(&format!("incr {name} {step}\r\n"))
}

/// As [`count`], by replacing what was read.
async fn exchange(server: &Server, name: &str, by: i64) -> Result<Option<i64>, Fault> {
    for _ in 0..MOST_TRIES {
        let Some(item) = server.item(name).await? else {
            return Ok(None);
        };
        // The spaces that `decr` of Memcached, with which other programs count, leaves behind a number are no harm.
        let number = value::sum(&item.value, by)?;
        let line = server.line(&replacing(name, &item, number)).await?;
        match &*line {
            b"HD" => return Ok(Some(number)),
            b"EX" => {}
            b"NF" | b"NS" => return Ok(None),
            _ => return Err(refusal(&line)),
        }
    }
    Err(Fault::Refused(
        "too many count on the same number".to_owned(),
    ))
}

/// Deletes what lies under this name if it is this value; says whether it was.
pub async fn delete_if(server: &Server, name: &str, value: &Bytes) -> Result<bool, Fault> {
    let Some(item) = server.item(name).await?.filter(|item| item.value == *value) else {
        return Ok(false);
    };
    let delete = format!("md {name} C{}\r\n", item.cas);
    let line = server.line(&Request::default().text(&delete)).await?;
    match &*line {
        b"HD" => Ok(true),
        b"EX" | b"NF" => Ok(false),
        _ => Err(refusal(&line)),
    }
}

fn replacing(name: &str, item: &Item, number: i64) -> Request {
    let digits = number.to_string();
    let cas = item.cas;
    // To `ms`, zero seconds are for ever; an item in its last second says one.
    let seconds = match item.seconds {
        ..0 => 0,
        seconds => seconds.max(1),
    };
    let length = digits.len();
    let mut request = Request::default().text(&format!("ms {name} {length} C{cas} T{seconds}\r\n"));
    request.push_block(&Bytes::from(digits));
    request
}
