//! What stands in the address of a list: search, filters, order, page. It goes along to forms and questions as one text
//! and comes back from there, so that nobody loses her place by saving.

use super::{MOST_COUNTED, PAGE, Table};
use std::fmt::Write as _;
use url::form_urlencoded;

/// Characters of one value that are looked at.
const LONGEST: usize = 200;

/// Words that are looked for.
const MOST_WORDS: usize = 8;

/// How a list is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// What is searched for.
    pub query: String,
    /// Filters that are set: name and value.
    pub filters: Vec<(&'static str, String)>,
    /// The name of a column's sort.
    pub sort: &'static str,
    /// The other way round.
    pub is_descending: bool,
    /// From 1.
    pub page: u64,
    /// Whether the usual order is meant.
    is_usual: bool,
}

impl Asked {
    /// Reads an address. What the table does not know counts as not said.
    pub fn read(table: &Table, query: &str) -> Self {
        let (usual, usual_down) = split(table.usual);
        let mut asked = Self {
            sort: usual,
            is_descending: usual_down,
            page: 1,
            is_usual: true,
            ..Self::default()
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value: String = value.chars().filter(|c| *c != '\0').take(LONGEST).collect();
            asked.take(table, &name, value.trim());
        }
        asked
    }

    fn take(&mut self, table: &Table, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        let filter = table.filters.iter().find(|filter| filter.name == name);
        if let Some(filter) = filter {
            self.filters.retain(|(known, _)| *known != filter.name);
            self.filters.push((filter.name, value.to_owned()));
            return;
        }
        match name {
            "q" if !table.searched.is_empty() => value.clone_into(&mut self.query),
            "page" => {
                let last = MOST_COUNTED.div_ceil(PAGE);
                self.page = value.parse().unwrap_or(1).clamp(1, last);
            }
            "sort" => {
                let (sort, is_descending) = split(value);
                let known = table.columns.iter().find(|column| column.sort == sort);
                if let Some(column) = known.filter(|column| !column.sort.is_empty()) {
                    self.is_usual = value == table.usual;
                    self.sort = column.sort;
                    self.is_descending = is_descending;
                }
            }
            _ => {}
        }
    }

    /// The same list at another page.
    #[must_use]
    pub fn turned_to(mut self, page: u64) -> Self {
        self.page = page;
        self
    }

    /// The words that are looked for.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.query.split_whitespace().take(MOST_WORDS)
    }

    /// What a filter is set to; empty when it is not.
    pub fn filter(&self, name: &str) -> &str {
        let found = self.filters.iter().find(|(known, _)| *known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// Whether anything narrows the list.
    pub fn is_narrowed(&self) -> bool {
        !self.query.is_empty() || !self.filters.is_empty()
    }

    /// The address: everything but the page.
    fn text_without_page(&self) -> String {
        let mut text = form_urlencoded::Serializer::new(String::new());
        if !self.query.is_empty() {
            text.append_pair("q", &self.query);
        }
        for (name, value) in &self.filters {
            text.append_pair(name, value);
        }
        if !self.is_usual {
            text.append_pair("sort", &self.sort_name());
        }
        text.finish()
    }

    /// As it stands in the address, from which it can be read again.
    pub fn text(&self) -> String {
        self.at_page(self.page)
    }

    /// The same at another page.
    pub fn at_page(&self, page: u64) -> String {
        let mut text = self.text_without_page();
        if page > 1 {
            let joint = if text.is_empty() { "" } else { "&" };
            // Writing to a String does not fail.
            let _ = write!(text, "{joint}page={page}");
        }
        text
    }

    /// The same in another order, from the first page on; twice the same turns it round.
    pub fn sorted(&self, sort: &'static str) -> String {
        let is_descending = self.sort == sort && !self.is_descending;
        let other = Self {
            sort,
            is_descending,
            is_usual: false,
            ..self.clone()
        };
        other.at_page(1)
    }

    /// The order as the address names it.
    pub fn sort_name(&self) -> String {
        let sign = if self.is_descending { "-" } else { "" };
        format!("{sign}{}", self.sort)
    }

    /// The order, when it is not the usual one: for a form that searches within it.
    pub fn kept_sort(&self) -> Option<String> {
        (!self.is_usual).then(|| self.sort_name())
    }

    /// A path with this after it.
    pub fn path(&self, path: &str) -> String {
        with_query(path, &self.text())
    }
}

/// A path with a query, when there is one.
pub fn with_query(path: &str, query: &str) -> String {
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    }
}

fn split(sort: &str) -> (&str, bool) {
    sort.strip_prefix('-')
        .map_or((sort, false), |name| (name, true))
}
