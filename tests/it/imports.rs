//! The import law: who may name whom in `src/`, and how long a file may grow.
//!
//! The law itself stands in docs/ARCHITECTURE.md. Most of it is kept by privacy (`mod store;`) and by the
//! border of the crate `backends`; this test keeps what the compiler cannot. It reads the tokens of every
//! file, so that paths in macros count and those in comments and strings do not.

mod paths;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use paths::{Reference, references, roots};

const FEATURES: [&str; 8] = [
    "accounts", "courses", "learning", "library", "media", "messages", "chat", "admin",
];

/// Lines that a file may have before its `#[cfg(test)]` part.
const LONGEST_FILE: usize = 500;

/// Where a module stands in the house.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    /// `main`, `lib` and the commands: they may use everything.
    Door,
    /// The tables that name what the features offer: routes, jobs.
    Table,
    Feature,
    /// What every page and endpoint shares.
    Web,
    /// The job queue.
    Jobs,
    /// `app`: it puts together what the process keeps in memory, so that it names the types of web and jobs
    /// that it holds.
    App,
    /// `error`, `config`, `db` and other ground that all of the above stand on.
    Ground,
    /// The tables of the database and the steps that make them.
    Schema,
}

fn room(module: &[String]) -> Room {
    match module.first().map(String::as_str) {
        None | Some("main" | "cli" | "demo" | "backup") => Room::Door,
        Some("router" | "registry") => Room::Table,
        Some("web") => Room::Web,
        Some("jobs") => Room::Jobs,
        Some("app") => Room::App,
        Some("entities" | "migrations") => Room::Schema,
        Some(name) if FEATURES.contains(&name) => Room::Feature,
        Some(_) => Room::Ground,
    }
}

/// Says which rule of the law a reference breaks. `modules` are all modules that are files.
fn breach(reference: &Reference, modules: &BTreeSet<Vec<String>>) -> Option<&'static str> {
    let Reference { from, to, .. } = reference;
    let is_module = |length| to.get(..length).is_some_and(|path| modules.contains(path));
    if !is_module(1) || from.first() == to.first() {
        return None;
    }
    match (room(from), room(to)) {
        (Room::Door, _) | (Room::App | Room::Ground, Room::Schema) => None,
        (Room::Schema, _) => Some("entities and migrations name nothing of ours"),
        (_, Room::Door) => Some("only main names the commands"),
        (_, Room::Table) => Some("only the commands name the tables of routes and jobs"),
        (Room::Table, _) => None,
        (_, Room::Schema) if to.first().is_some_and(|name| name == "migrations") => {
            Some("only the commands, app and the ground name the migrations")
        }
        (Room::Feature, Room::Feature) if is_module(2) => {
            Some("a feature reaches another only through the items of its mod.rs")
        }
        (Room::Web | Room::Jobs | Room::App | Room::Ground, Room::Feature) => {
            Some("what the features stand on names no feature")
        }
        (Room::Web, Room::Jobs) | (Room::Jobs, Room::Web) => {
            Some("web and jobs do not name each other")
        }
        (Room::Ground, Room::App | Room::Web | Room::Jobs) => {
            Some("the ground names neither app nor web nor jobs")
        }
        _ => None,
    }
}

/// `src/courses/pages.rs` is the module `courses::pages`; `lib.rs` and each `mod.rs` is its folder.
fn module_of(file: &Path, src: &Path) -> Vec<String> {
    let relative = file
        .strip_prefix(src)
        .expect("the file is under src")
        .with_extension("");
    let mut module: Vec<String> = relative
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
        module.pop();
    }
    module
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in folder.read_dir().expect("the folder is there") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every reference in `src/`, with the file where it stands.
fn all_references() -> (Vec<(PathBuf, Reference)>, BTreeSet<Vec<String>>) {
    let src = root().join("src");
    let files = rust_files(&src);
    let modules = files.iter().map(|file| module_of(file, &src)).collect();
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("the file can be read");
        for reference in references(&text, &module_of(&file, &src)) {
            found.push((file.clone(), reference));
        }
    }
    (found, modules)
}

/// Features that name each other. The law lets them, but a reader would rather see one direction.
fn mutual_features<'a>(
    references: impl IntoIterator<Item = &'a Reference>,
) -> Vec<(&'a str, &'a str)> {
    let edges: BTreeSet<(&str, &str)> = references
        .into_iter()
        .filter(|reference| {
            room(&reference.from) == Room::Feature && room(&reference.to) == Room::Feature
        })
        .filter_map(|reference| {
            Some((
                reference.from.first()?.as_str(),
                reference.to.first()?.as_str(),
            ))
        })
        .collect();
    let both_ways = edges
        .iter()
        .filter(|(from, to)| from < to && edges.contains(&(*to, *from)));
    both_ways.copied().collect()
}

#[test]
fn every_module_names_only_those_it_may() {
    let (references, modules) = all_references();
    assert!(modules.contains(&Vec::new()), "src/lib.rs was read");
    for (one, other) in mutual_features(references.iter().map(|(_, reference)| reference)) {
        println!("{one} and {other} name each other"); // shown by --no-capture
    }
    let breaches: Vec<String> = references
        .iter()
        .filter_map(|(file, reference)| {
            Some(format!(
                "{}, {reference}: {}",
                file.display(),
                breach(reference, &modules)?
            ))
        })
        .collect();
    assert!(
        breaches.is_empty(),
        "the import law is broken:\n{}",
        breaches.join("\n")
    );
}

#[test]
fn the_backends_know_nothing_of_the_site() {
    let src = root().join("crates/backends/src");
    for file in rust_files(&src) {
        let text = std::fs::read_to_string(&file).expect("the file can be read");
        let names_site = roots(&text).contains("lyceum");
        assert!(!names_site, "{} names the crate lyceum", file.display());
    }
}

#[test]
fn no_file_outgrows_its_reader() {
    let folders = [root().join("src"), root().join("crates/backends/src")];
    let long: Vec<String> = folders
        .iter()
        .flat_map(|folder| rust_files(folder))
        .filter(|file| !file.ends_with("tests.rs")) // declared with `#[cfg(test)] mod tests;`
        .filter_map(|file| {
            let text = std::fs::read_to_string(&file).expect("the file can be read");
            let lines = text
                .lines()
                .take_while(|line| !line.starts_with("#[cfg(test)]"))
                .count();
            (lines > LONGEST_FILE).then(|| format!("{}: {lines} lines", file.display()))
        })
        .collect();
    assert!(
        long.is_empty(),
        "over {LONGEST_FILE} lines without tests; part them:\n{}",
        long.join("\n")
    );
}

/// The rules that a file at `module` breaks, in a house of all modules that the cases below name.
fn faults(module: &str, text: &str) -> Vec<&'static str> {
    let house = [
        "accounts",
        "courses",
        "courses::store",
        "courses::pages",
        "media",
        "media::jobs",
        "web",
        "web::rest",
    ];
    let house = house.iter().chain(&[
        "jobs",
        "app",
        "error",
        "entities",
        "migrations",
        "router",
        "cli",
    ]);
    let path = |name: &str| name.split("::").map(str::to_owned).collect::<Vec<_>>();
    let modules = house.map(|name| path(name)).collect();
    references(text, &path(module))
        .iter()
        .filter_map(|reference| breach(reference, &modules))
        .collect()
}

#[test]
fn the_law_is_seen_to_be_broken() {
    let broken = [
        ("media::pages", "use crate::courses::store::find_course;"),
        (
            "media::pages",
            "use crate::{error::Error, courses::{Course, store::{self, find_course}}};",
        ),
        (
            "media::pages",
            "fn f() { crate::courses::store::find_course(1) }",
        ),
        (
            "media::pages",
            "fn f() { log!(\"{}\", crate::courses::store::COUNT) }",
        ),
        (
            "media::pages",
            "use crate::courses; fn f() { courses::store::find_course(1) }",
        ),
        (
            "media::pages",
            "use crate::courses as c; fn f() { c::pages::list() }",
        ),
        ("media::pages", "use super::super::courses::store;"),
        ("media", "use super::courses::store;"),
        (
            "media::pages",
            "mod inner { use super::super::super::courses::store; }",
        ),
        ("media::pages", "use crate::router;"),
        ("web::rest", "use crate::courses::Course;"),
        ("web::rest", "use crate::jobs::enqueue;"),
        ("jobs", "use crate::media;"),
        ("jobs", "fn f() -> crate::web::Shell {}"),
        ("app", "use crate::accounts::User;"),
        ("app", "use crate::cli::run;"),
        ("error", "use crate::web::Shell;"),
        ("error", "use crate::app::App;"),
        ("entities::course", "use crate::error::Error;"),
        ("courses::store", "use crate::migrations::Migrator;"),
    ];
    for (module, text) in broken {
        assert_ne!(
            faults(module, text),
            Vec::<&str>::new(),
            "in {module}: {text}"
        );
    }
}

#[test]
fn what_the_law_permits_is_let_through() {
    let kept = [
        (
            "media::pages",
            "use crate::courses::{self, Course, find_course}; fn f() { courses::get_course(1) }",
        ),
        (
            "media::pages",
            "use crate::{app::App, error::{Error, Result}, jobs, web::rest::Page, entities::course};",
        ),
        (
            "courses::pages",
            "use super::store; use crate::courses::store::find_course; use self::inner::X;",
        ),
        (
            "courses",
            "mod store; mod pages; pub use store::Course; mod tests { use super::store; }",
        ),
        (
            "media::pages",
            "// crate::courses::store\nconst TEXT: &str = \"use crate::courses::store;\";",
        ),
        (
            "media::pages",
            "/// See `crate::courses::store`.\nfn f() { Vec::<u8>::new(); std::mem::take(x) }",
        ),
        (
            "web::rest",
            "use crate::{app::App, entities, error::Error}; use backends::cache;",
        ),
        ("router", "use crate::{courses::pages, web};"),
        (
            "cli::serve",
            "use crate::{router, jobs, migrations, courses::store};",
        ),
        (
            "app",
            "use crate::{error::Error, migrations::Migrator, entities::user};",
        ),
        (
            "entities::course",
            "use super::subject; use sea_orm::entity::prelude::*;",
        ),
        ("main", "fn main() { lyceum::cli::run() }"),
    ];
    for (module, text) in kept {
        assert_eq!(
            faults(module, text),
            Vec::<&str>::new(),
            "in {module}: {text}"
        );
    }
}

#[test]
fn features_that_name_each_other_are_found() {
    let read = |module: &str, text| references(text, &[module.to_owned(), "pages".to_owned()]);
    let text = [
        read("courses", "use crate::{media::Recording, accounts::User};"),
        read("media", "use crate::{courses::Course, error::Error};"),
    ];
    assert_eq!(
        mutual_features(text.iter().flatten()),
        [("courses", "media")]
    );
}
