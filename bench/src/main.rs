//! Measures a release build of Lyceum against its peers on the same machine: uploads against a bare
//! axum sink on the same disk, delivery against nginx on the same file, processing against the same
//! ffmpeg commands run by hand, kept pages against a bare axum handler of the same bytes, the cache
//! against the bare clients of Redis and Memcached, rooms against a bare broadcast.
//!
//! Both sides of a comparison take turns, so that what else the machine does weighs on both alike;
//! the ratio is what counts. Everything listens on 127.0.0.1, lives in a temporary folder, is bounded
//! in count and time, and is ended by its process id. See `bench/README.md`.
#![expect(
    clippy::disallowed_methods,
    reason = "it looks on from outside, with plain threads and the machine's own clock"
)]

mod api;
mod bare;
mod bare_room;
mod cache;
mod delivery;
mod http;
mod nginx;
mod pages;
mod processing;
mod room;
mod rounds;
mod server;
mod sink;
mod site;
mod socket;
mod student;
mod upload;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Whatever goes wrong ends the run with a sentence.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
#[command(about = "Measures a Lyceum site against its peers on this machine")]
struct Arguments {
    #[command(subcommand)]
    measure: Measure,
}

#[derive(clap::Args, Clone)]
struct Common {
    /// The release build of lyceum
    #[arg(long)]
    lyceum: PathBuf,
    /// How often each side has its turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Where the temporary folder is made: the disk that is measured
    #[arg(long, default_value = "/var/tmp")]
    disk: PathBuf,
}

#[derive(Subcommand)]
enum Measure {
    /// Uploads by form and by tus against a bare axum sink that writes to the same disk
    Upload {
        #[command(flatten)]
        common: Common,
        /// Size of one upload, in MiB
        #[arg(long, default_value_t = 512)]
        mebibytes: u64,
    },
    /// Peak memory of the server: one large upload, and fifty at once
    Memory {
        #[command(flatten)]
        common: Common,
        /// Size of the large upload, in MiB
        #[arg(long, default_value_t = 4096)]
        mebibytes: u64,
    },
    /// 1 MB ranges of a stored file to a student of its course, against nginx
    Delivery {
        #[command(flatten)]
        common: Common,
        /// Connections at once, kept alive
        #[arg(long, default_value_t = 4)]
        connections: usize,
        /// Length of one turn
        #[arg(long, default_value_t = 3)]
        seconds: u64,
    },
    /// A film of 1080p from its last byte to ready, against its ffmpeg commands by hand
    Processing {
        #[command(flatten)]
        common: Common,
        /// Length of the film
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// The catalogue and a course to visitors, against a bare axum handler of the same bytes
    Pages {
        #[command(flatten)]
        common: Common,
        /// Connections at once, kept alive
        #[arg(long, default_value_t = 32)]
        connections: usize,
        /// Length of one turn
        #[arg(long, default_value_t = 3)]
        seconds: u64,
    },
    /// Reads of the cache: from memory, and from Redis and Memcached against their bare clients
    Cache {
        #[command(flatten)]
        common: Common,
        /// Length of one turn with a server
        #[arg(long, default_value_t = 1)]
        seconds: u64,
    },
    /// The REST API: lists of 200 courses, a course's contents, enrolling in all of them
    Api {
        #[command(flatten)]
        common: Common,
        /// Connections at once, kept alive
        #[arg(long, default_value_t = 8)]
        connections: usize,
        /// Length of one turn
        #[arg(long, default_value_t = 3)]
        seconds: u64,
    },
    /// The room of a course: lines to many readers, against a bare broadcast over tokio-tungstenite
    Room {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        sizes: room::Sizes,
    },
    /// The room on two nodes, against one of them
    Nodes {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        sizes: room::Sizes,
        /// A PostgreSQL database that is empty
        #[arg(long, env = "LYCEUM_TEST_POSTGRES", hide_env_values = true)]
        database: String,
        /// The bus between the nodes
        #[arg(long, env = "LYCEUM_TEST_REDIS", hide_env_values = true)]
        bus: String,
    },
    /// What somebody who studies costs: pages, a film, and the connections that she has open
    Student {
        #[command(flatten)]
        common: Common,
        /// Length of one turn
        #[arg(long, default_value_t = 3)]
        seconds: u64,
    },
    /// The bare broadcast alone, as `room` starts it
    #[command(hide = true)]
    BareRoom,
    /// The bare handler alone, as `pages` starts it
    #[command(hide = true)]
    Bare {
        /// What it answers
        folder: PathBuf,
    },
    /// The bare sink alone, as `upload` starts it
    #[command(hide = true)]
    Sink {
        /// Where it writes
        folder: PathBuf,
    },
}

fn main() -> ExitCode {
    let measured = match Arguments::parse().measure {
        Measure::Upload { common, mebibytes } => upload::measure(&common, mebibytes << 20),
        Measure::Memory { common, mebibytes } => upload::measure_memory(&common, mebibytes << 20),
        Measure::Delivery {
            common,
            connections,
            seconds,
        } => delivery::measure(&common, connections, seconds),
        Measure::Processing { common, seconds } => processing::measure(&common, seconds),
        Measure::Pages {
            common,
            connections,
            seconds,
        } => pages::measure(&common, connections, seconds),
        Measure::Cache { common, seconds } => cache::measure(&common, seconds),
        Measure::Api {
            common,
            connections,
            seconds,
        } => api::measure(&common, connections, seconds),
        Measure::Room { common, sizes } => room::measure(&common, sizes),
        Measure::Nodes {
            common,
            sizes,
            database,
            bus,
        } => room::measure_nodes(&common, sizes, &database, &bus),
        Measure::Student { common, seconds } => student::measure(&common, seconds),
        Measure::BareRoom => bare_room::run(),
        Measure::Bare { folder } => bare::run(folder),
        Measure::Sink { folder } => sink::run(folder),
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
