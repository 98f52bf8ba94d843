//! Reads which modules of the crate a file names, from its tokens. What it may name is not known here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use proc_macro2::{TokenStream, TokenTree};

/// A path somewhere in a file, resolved from the crate's root: `crate::courses::Course` is `[courses, Course]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub from: Vec<String>,
    pub to: Vec<String>,
    pub line: usize,
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
pub fn references(text: &str, module: &[String]) -> Vec<Reference> {
    let names = names_in(text, module);
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

/// The first words of all paths of a file: crates, modules, types.
pub fn roots(text: &str) -> BTreeSet<String> {
    let names = names_in(text, &[]);
    names
        .written
        .into_iter()
        .filter_map(|written| written.path.into_iter().next())
        .collect()
}

fn names_in(text: &str, module: &[String]) -> Names {
    let tokens: TokenStream = text.parse().expect("the file is Rust");
    let mut names = Names::default();
    names.read(tokens, module);
    names
}
