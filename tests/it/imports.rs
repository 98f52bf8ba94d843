//! The import law: who may name whom in `src/`, and how long a file may grow.
//!
//! The law itself stands in docs/ARCHITECTURE.md. Most of it is kept by privacy (`mod store;`) and by the
//! border of the crate `backends`; this test keeps what the compiler cannot. It reads the tokens of every
//! file, so that paths in macros count and those in comments and strings do not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};

const FEATURES: [&str; 7] = [
    "accounts", "courses", "learning", "media", "messages", "chat", "admin",
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
        None | Some("main" | "cli" | "demo") => Room::Door,
        Some("router" | "registry") => Room::Table,
        Some("web") => Room::Web,
        Some("jobs") => Room::Jobs,
        Some("app") => Room::App,
        Some("entities" | "migrations") => Room::Schema,
        Some(name) if FEATURES.contains(&name) => Room::Feature,
        Some(_) => Room::Ground,
    }
}

/// A path somewhere in a file, resolved from the crate's root: `crate::courses::Course` is `[courses, Course]`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reference {
    from: Vec<String>,
    to: Vec<String>,
    line: usize,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}: {} names crate::{}",
            self.line,
            self.from.join("::"),
            self.to.join("::")
        )
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
        (Room::Door, _) => None,
        (Room::Schema, _) => Some("entities and migrations name nothing of ours"),
        (_, Room::Door) => Some("only main names the commands"),
        (_, Room::Table) => Some("only the commands name the tables of routes and jobs"),
        (Room::Table, _) => None,
        (Room::App | Room::Ground, Room::Schema) => None,
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

/// A path as it is written, and the module and line where it stands.
struct Written {
    module: Vec<String>,
    path: Vec<String>,
    line: usize,
}

/// What a file names, before it is resolved.
#[derive(Default)]
struct Names {
    written: Vec<Written>,
    /// Names that a `use` brought into a module, and what they stand for.
    imported: BTreeMap<(Vec<String>, String), Vec<String>>,
}

impl Names {
    fn read(&mut self, tokens: TokenStream, module: &[String]) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let Some(rest) = tokens.get(at..) else { break };
            at += match token {
                TokenTree::Group(group) => {
                    self.read(group.stream(), module);
                    1
                }
                TokenTree::Ident(word) if word == "use" => {
                    self.read_use(&rest[1..], module, &[]) + 1
                }
                TokenTree::Ident(word) if word == "mod" => self.read_mod(rest, module),
                TokenTree::Ident(_) => self.read_path(rest, module),
                // The `::` that goes on after `<T>` leads to no module.
                TokenTree::Punct(_)
                    if is_colons(rest) && matches!(rest.get(2), Some(TokenTree::Ident(_))) =>
                {
                    3
                }
                _ => 1,
            };
        }
    }

    /// `mod name { ... }`; a `mod name;` is a file, which is read for itself.
    fn read_mod(&mut self, tokens: &[TokenTree], module: &[String]) -> usize {
        let [_, TokenTree::Ident(name), TokenTree::Group(body), ..] = tokens else {
            return 1;
        };
        self.read(body.stream(), &joined(module, &[name.to_string()]));
        3
    }

    /// A path in code: identifiers joined by `::`. A single identifier names nothing elsewhere.
    fn read_path(&mut self, tokens: &[TokenTree], module: &[String]) -> usize {
        let (path, length) = plain_path(tokens);
        if path.len() > 1 {
            self.write(path, module, tokens);
        }
        length
    }

    /// The tree after `use` or after a `{` or `,` in one. Returns how many tokens it took.
    fn read_use(&mut self, tokens: &[TokenTree], module: &[String], prefix: &[String]) -> usize {
        let lead = if is_colons(tokens) { 2 } else { 0 };
        let (mut path, length) = plain_path(&tokens[lead..]);
        let end = lead + length;
        if let Some(TokenTree::Group(group)) = tokens.get(end) {
            let branches: Vec<TokenTree> = group.stream().into_iter().collect();
            let prefix = joined(prefix, &path);
            for branch in
                branches.split(|token| matches!(token, TokenTree::Punct(p) if p.as_char() == ','))
            {
                self.read_use(branch, module, &prefix);
            }
            return end + 1;
        }
        if !prefix.is_empty() && path == ["self"] {
            path.clear();
        }
        let path = joined(prefix, &path);
        let alias = match tokens.get(end..) {
            Some([TokenTree::Ident(word), TokenTree::Ident(name), ..]) if word == "as" => {
                Some(name.to_string())
            }
            _ => path.last().cloned(),
        };
        if let Some(alias) = alias {
            self.imported.insert((module.to_vec(), alias), path.clone());
            self.write(path, module, tokens);
        }
        end
    }

    fn write(&mut self, path: Vec<String>, module: &[String], tokens: &[TokenTree]) {
        let line = tokens.first().map_or(0, |token| token.span().start().line);
        self.written.push(Written {
            module: module.to_vec(),
            path,
            line,
        });
    }

    /// From the crate's root, or `None` for what is not of this crate.
    fn resolve(&self, path: &[String], module: &[String], depth: usize) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" | "lyceum" => Some(rest.to_vec()),
            "self" => Some(joined(module, rest)),
            "super" => {
                let (_, parent) = module.split_last()?;
                match rest.first().map(String::as_str) {
                    Some("super") => self.resolve(rest, parent, depth),
                    _ => Some(joined(parent, rest)),
                }
            }
            _ if depth < 4 => {
                let imported = self.imported.get(&(module.to_vec(), first.clone()))?;
                let root = self.resolve(imported, module, depth + 1)?;
                Some(joined(&root, rest))
            }
            _ => None,
        }
    }
}

fn joined(head: &[String], tail: &[String]) -> Vec<String> {
    [head, tail].concat()
}

fn is_colons(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [TokenTree::Punct(a), TokenTree::Punct(b), ..] if a.as_char() == ':' && b.as_char() == ':')
}

/// Reads `a::b::c`, and the number of tokens it takes, a trailing `::` included.
fn plain_path(tokens: &[TokenTree]) -> (Vec<String>, usize) {
    let (mut path, mut at) = (Vec::new(), 0);
    while let Some(TokenTree::Ident(word)) = tokens.get(at) {
        path.push(word.to_string());
        at += 1;
        if !is_colons(&tokens[at..]) {
            break;
        }
        at += 2;
    }
    (path, at)
}

/// All paths of a file that lead into this crate.
fn references(text: &str, module: &[String]) -> Vec<Reference> {
    let tokens: TokenStream = text.parse().expect("the file is Rust");
    let mut names = Names::default();
    names.read(tokens, module);
    let resolved = names.written.iter().filter_map(|written| {
        let to = names.resolve(&written.path, &written.module, 0)?;
        Some(Reference {
            from: written.module.clone(),
            to,
            line: written.line,
        })
    });
    resolved.collect()
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

#[test]
fn every_module_names_only_those_it_may() {
    let (references, modules) = all_references();
    assert!(modules.contains(&Vec::new()), "src/lib.rs was read");
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
        let mut names = Names::default();
        names.read(text.parse().expect("the file is Rust"), &[]);
        let named = names
            .written
            .iter()
            .find(|written| written.path.first().is_some_and(|first| first == "lyceum"));
        assert!(named.is_none(), "{} names the crate lyceum", file.display());
    }
}

#[test]
fn no_file_outgrows_its_reader() {
    let folders = [root().join("src"), root().join("crates/backends/src")];
    let long: Vec<String> = folders
        .iter()
        .flat_map(|folder| rust_files(folder))
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
