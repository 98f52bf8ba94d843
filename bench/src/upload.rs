//! Uploads: as fast as a bare sink to the same disk, in memory that does not grow.

use crate::http::Connection;
use crate::rounds::Side;
use crate::site::{Noise, Site, Source as _};
use crate::{Common, Outcome, sink};
use std::time::Instant;

/// The least share of the sink's rate.
const GOAL: f64 = 0.8;

/// The most memory, in MB.
const MOST_MEGABYTES: f64 = 64.0;

/// Uploads at once.
const AT_ONCE: usize = 50;

/// Size of each of them.
const EACH_BYTES: u64 = 64 << 20;

/// Form, tus and sink in turn.
pub fn measure(common: &Common, bytes: u64) -> Outcome {
    let site = Site::start(common, &[])?;
    let sink = sink::start(site.folder.path())?;
    let mut sides = [
        Side::new("bare sink", "MB/s"),
        Side::new("lyceum, form", "MB/s"),
        Side::new("lyceum, tus", "MB/s"),
    ];
    println!(
        "{} MB an upload, {} rounds",
        bytes / 1_000_000,
        common.rounds
    );
    for round in 0..=common.rounds {
        for (index, side) in sides.iter_mut().enumerate() {
            let began = Instant::now();
            match index {
                0 => send_to_sink(&sink.address, bytes)?,
                1 => site.send_by_form("noise.bin", Noise(bytes))?,
                _ => drop(site.send_by_tus("noise.bin", Noise(bytes))?),
            }
            let rate = bytes as f64 / 1e6 / began.elapsed().as_secs_f64();
            site.forget_originals()?;
            // The first round warms up.
            if round > 0 {
                side.push(rate);
            }
        }
    }
    let [sink, form, tus] = &sides;
    for side in &sides {
        side.print();
    }
    form.print_ratio(sink, GOAL);
    tus.print_ratio(sink, GOAL);
    println!("peak memory {:.1} MB", site.server.peak_megabytes()?);
    Ok(())
}

fn send_to_sink(address: &str, bytes: u64) -> Outcome {
    let mut connection = Connection::open(address)?;
    connection.begin("POST", "/", &format!("Content-Length: {bytes}\r\n"))?;
    Noise(bytes).send(&mut connection)?;
    connection.answer(false)?.expect(204)?;
    Ok(())
}

/// The peak of a fresh server each: one large upload, and many at once, by form and by tus.
pub fn measure_memory(common: &Common, large: u64) -> Outcome {
    for is_tus in [false, true] {
        let name = if is_tus { "tus" } else { "form" };
        let send = |site: &Site, bytes| {
            if is_tus {
                site.send_by_tus("noise.bin", Noise(bytes)).map(drop)
            } else {
                site.send_by_form("noise.bin", Noise(bytes))
            }
        };
        let site = Site::start(common, &[])?;
        let idle = site.server.peak_megabytes()?;
        send(&site, large)?;
        print_peak(&format!("{name}, one of {} MiB", large >> 20), idle, &site)?;
        drop(site);
        let site = Site::start(common, &[])?;
        let idle = site.server.peak_megabytes()?;
        std::thread::scope(|scope| {
            let senders: Vec<_> = (0..AT_ONCE)
                .map(|_| scope.spawn(|| send(&site, EACH_BYTES)))
                .collect();
            senders.into_iter().try_for_each(|each| {
                let ended = each.join();
                ended.unwrap_or_else(|_| Err("a sender panicked".into()))
            })
        })?;
        let what = format!("{name}, {AT_ONCE} of {} MiB at once", EACH_BYTES >> 20);
        print_peak(&what, idle, &site)?;
    }
    Ok(())
}

fn print_peak(what: &str, idle: f64, site: &Site) -> Outcome {
    let peak = site.server.peak_megabytes()?;
    let verdict = if peak < MOST_MEGABYTES {
        "reached"
    } else {
        "MISSED"
    };
    println!(
        "{what:<28} peak {peak:>6.1} MB, {idle:.1} before (under {MOST_MEGABYTES} MB: {verdict})"
    );
    Ok(())
}
