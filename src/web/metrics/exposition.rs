//! Prometheus's text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats).

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// Families of figures, by name; written by [`Display`](fmt::Display).
#[derive(Debug, Default)]
pub struct Exposition {
    families: BTreeMap<&'static str, Family>,
}

/// All figures of one name.
#[derive(Debug)]
pub struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    lines: String,
}

impl Exposition {
    /// The family of a count that only grows while the process runs; its name ends in `_total`.
    pub fn counter(&mut self, name: &'static str, help: &'static str) -> &mut Family {
        self.family(name, "counter", help)
    }

    /// The family of a figure that goes up and down.
    pub fn gauge(&mut self, name: &'static str, help: &'static str) -> &mut Family {
        self.family(name, "gauge", help)
    }

    /// The family of a figure that is told in classes; its figures are added by [`Family::add_histogram`].
    pub fn histogram(&mut self, name: &'static str, help: &'static str) -> &mut Family {
        self.family(name, "histogram", help)
    }

    /// The family of this name: the lines of one family must stand together.
    fn family(
        &mut self,
        name: &'static str,
        kind: &'static str,
        help: &'static str,
    ) -> &mut Family {
        self.families.entry(name).or_insert_with(|| Family {
            name,
            kind,
            help,
            lines: String::new(),
        })
    }
}

impl Family {
    /// Adds a figure with its labels.
    pub fn add(&mut self, labels: &[(&str, &str)], value: u64) -> &mut Self {
        self.line("", labels, value)
    }

    /// Adds a figure that is told in classes: their upper ends, which grow, and how many fell into each, of which there is
    /// one more; and the sum of all.
    pub fn add_histogram(
        &mut self,
        labels: &[(&str, &str)],
        ends: &[f64],
        classes: &[u64],
        sum: f64,
    ) -> &mut Self {
        let mut below = 0_u64;
        let ends = ends.iter().map(ToString::to_string);
        for (end, count) in ends.chain(["+Inf".to_owned()]).zip(classes) {
            below = below.saturating_add(*count);
            let mut labels = labels.to_vec();
            labels.push(("le", &end));
            self.line("_bucket", &labels, below);
        }
        self.line("_sum", labels, sum);
        self.line("_count", labels, below)
    }

    fn line(
        &mut self,
        ending: &str,
        labels: &[(&str, &str)],
        value: impl fmt::Display,
    ) -> &mut Self {
        self.lines.push_str(self.name);
        self.lines.push_str(ending);
        for (index, (name, value)) in labels.iter().enumerate() {
            self.lines.push(if index == 0 { '{' } else { ',' });
            self.lines.push_str(name);
            self.lines.push_str("=\"");
            for c in value.chars() {
                match c {
                    '\\' => self.lines.push_str("\\\\"),
                    '"' => self.lines.push_str("\\\""),
                    '\n' => self.lines.push_str("\\n"),
                    other => self.lines.push(other),
                }
            }
            self.lines.push('"');
        }
        if !labels.is_empty() {
            self.lines.push('}');
        }
        // Writing into a text does not fail.
        let _ = writeln!(self.lines, " {value}");
        self
    }

    /// Adds a figure where there is one.
    pub fn add_some(&mut self, labels: &[(&str, &str)], value: Option<u64>) -> &mut Self {
        match value {
            Some(value) => self.add(labels, value),
            None => self,
        }
    }
}

impl fmt::Display for Exposition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A family without figures is left out.
        for family in self.families.values().filter(|one| !one.lines.is_empty()) {
            let Family {
                name,
                kind,
                help,
                lines,
            } = family;
            write!(
                formatter,
                "# HELP {name} {help}\n# TYPE {name} {kind}\n{lines}"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Exposition;

    #[test]
    fn the_lines_of_a_family_stand_together_and_labels_are_escaped() {
        let mut exposition = Exposition::default();
        exposition
            .counter("a_total", "As.")
            .add(&[("of", "x\"\\\n")], 1);
        exposition.gauge("b", "Bs.").add(&[], 2);
        exposition.gauge("none", "Nothing.").add_some(&[], None);
        exposition
            .counter("a_total", "As.")
            .add(&[("of", "y"), ("in", "")], 3);
        assert_eq!(
            exposition.to_string(),
            "# HELP a_total As.\n# TYPE a_total counter\na_total{of=\"x\\\"\\\\\\n\"} 1\n\
             a_total{of=\"y\",in=\"\"} 3\n# HELP b Bs.\n# TYPE b gauge\nb 2\n"
        );
    }

    #[test]
    fn classes_are_told_as_sums_up_to_their_ends() {
        let mut exposition = Exposition::default();
        exposition.histogram("a_seconds", "As.").add_histogram(
            &[("of", "x")],
            &[0.001, 0.5],
            &[3, 0, 2],
            9.25,
        );
        assert_eq!(
            exposition.to_string(),
            "# HELP a_seconds As.\n# TYPE a_seconds histogram\na_seconds_bucket{of=\"x\",le=\"0.001\"} 3\n\
             a_seconds_bucket{of=\"x\",le=\"0.5\"} 3\na_seconds_bucket{of=\"x\",le=\"+Inf\"} 5\n\
             a_seconds_sum{of=\"x\"} 9.25\na_seconds_count{of=\"x\"} 5\n"
        );
    }
}
