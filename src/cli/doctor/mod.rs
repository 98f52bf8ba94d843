//! `lyceum doctor`: looks at everything that keeps a site well, and names the command that mends each thing it finds.
//!
//! What cannot be looked at because something before it is broken is left out, and said so: a database that does not
//! answer is one finding, not ten.

mod clock;
mod files;
mod here;
mod site;

use super::{CliResult, say};
use crate::config::Config;
use serde::Serialize;
use std::process::ExitCode;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// All is well.
    Ok,
    /// It works, and may not for long.
    Warning,
    /// Something does not work.
    Fault,
}

/// What was looked at, and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: `permissions`, `database`.
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found, in a sentence.
    pub words: String,
    /// The command or setting that mends it; empty when there is nothing to mend.
    pub mend: String,
}

impl Finding {
    /// All is well.
    fn ok(check: &'static str, words: impl Into<String>) -> Self {
        Self::new(check, Level::Ok, words, "")
    }

    /// It works, and may not for long.
    fn warning(check: &'static str, words: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(check, Level::Warning, words, mend)
    }

    /// Something does not work.
    fn fault(check: &'static str, words: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(check, Level::Fault, words, mend)
    }

    fn new(
        check: &'static str,
        level: Level,
        words: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            check,
            level,
            words: words.into(),
            mend: mend.into(),
        }
    }
}

/// How far it looks.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Depth {
    /// Read every stored file whole and compare its size; without, only whether they are there
    #[arg(long)]
    deep: bool,
    /// Print the findings as JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Looks at everything. Exit code 0 when nothing is at fault, warnings or not; else 1.
pub async fn run(config: Config, depth: Depth) -> CliResult {
    let mut findings = here::look(&config).await;
    findings.extend(site::look(config, depth.deep).await);
    if depth.json {
        say(&serde_json::to_string_pretty(&findings)?);
    } else {
        tell(&findings);
    }
    let has_fault = findings.iter().any(|one| one.level == Level::Fault);
    Ok(if has_fault {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn tell(findings: &[Finding]) {
    for Finding {
        check,
        level,
        words,
        mend,
    } in findings
    {
        let mark = match level {
            Level::Ok => "ok     ",
            Level::Warning => "warning",
            Level::Fault => "FAULT  ",
        };
        say(&format!("{mark}  {check:12} {words}"));
        if !mend.is_empty() {
            for line in mend.lines() {
                say(&format!("         {:12} -> {line}", ""));
            }
        }
    }
    let count = |level| findings.iter().filter(|one| one.level == level).count();
    let (warnings, faults) = (count(Level::Warning), count(Level::Fault));
    say(&match (warnings, faults) {
        (0, 0) => "Nothing to mend.".to_owned(),
        _ => format!("{faults} at fault, {warnings} to look at."),
    });
}
