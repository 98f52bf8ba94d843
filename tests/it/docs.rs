//! What the documents say is what the code does.

use lyceum::config::SETTINGS;
use std::path::Path;

fn read(path: &str) -> String {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&full).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_setting_stands_in_the_operations_manual_as_it_is() {
    let rows: Vec<String> = SETTINGS
        .iter()
        .map(|setting| {
            let default = match setting.default {
                "" => "none".to_owned(),
                value => format!("`{value}`"),
            };
            let name = setting.key.to_uppercase();
            format!("| `LYCEUM_{name}` | {default} | {} |", setting.about)
        })
        .collect();
    let table = rows.join("\n");
    let manual = read("docs/OPERATIONS.md");
    assert!(
        manual.contains(&table),
        "docs/OPERATIONS.md should have this table:\n{table}"
    );
}

#[test]
fn the_map_names_every_room_of_the_house() {
    let map = read("docs/ARCHITECTURE.md");
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in std::fs::read_dir(src).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let room = name.trim_end_matches(".rs");
        assert!(
            map.contains(&format!("`{room}`")),
            "docs/ARCHITECTURE.md does not name `{room}`"
        );
    }
}

#[test]
fn every_path_of_the_api_stands_in_its_document() {
    let schema = lyceum::router::api().schema().unwrap().pretty().unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let document = read("docs/API.md");
    for path in schema["paths"].as_object().unwrap().keys() {
        let path = path.replace('{', "<").replace('}', ">");
        assert!(
            document.contains(&format!("`{path}`")),
            "docs/API.md does not name {path}"
        );
    }
}

/// The pages of the guide of Django REST framework, as its own list of contents has them.
const GUIDE: [&str; 28] = [
    "Requests",
    "Responses",
    "Views",
    "Generic views",
    "Viewsets",
    "Routers",
    "Parsers",
    "Renderers",
    "Serializers",
    "Serializer fields",
    "Serializer relations",
    "Validators",
    "Authentication",
    "Permissions",
    "Caching",
    "Throttling",
    "Filtering",
    "Pagination",
    "Versioning",
    "Content negotiation",
    "Metadata",
    "Schemas",
    "Format suffixes",
    "Returning URLs",
    "Exceptions",
    "Status codes",
    "Testing",
    "Settings",
];

#[test]
fn the_comparison_has_every_page_of_the_guide_and_says_yes_or_why_not_in_every_row() {
    let document = read("docs/API.md");
    let (_, comparison) = document
        .split_once("## Beside Django REST framework")
        .expect("the comparison is there");
    for page in GUIDE {
        assert!(
            comparison.contains(&format!("\n### {page}\n")),
            "the comparison lacks {page}"
        );
    }
    let rows = comparison.lines().filter(|line| line.starts_with("| "));
    let rows = rows.filter(|line| *line != "| there | here |");
    let mut count = 0;
    for row in rows {
        let cells = row.trim_matches('|').replace("\\|", "/");
        let (_, here) = cells.split_once(" | ").expect("a row has two cells");
        let says_yes = here == "yes "
            || ["yes, ", "yes; ", "yes: ", "yes ("]
                .iter()
                .any(|start| here.starts_with(start));
        let says_why_not = ["no: ", "no, ", "otherwise: "]
            .iter()
            .any(|start| here.len() > start.len() + 10 && here.starts_with(start));
        assert!(says_yes || says_why_not, "neither yes nor why not: {row}");
        count += 1;
    }
    assert!(count > 100, "{count} rows");
}
