//! The floors of the code: imports point downward only.

use std::fs;
use std::path::{Path, PathBuf};

/// Each floor, and those it may import from beside itself.
const FLOORS: [(&str, &[&str]); 12] = [
    ("model", &[]),
    ("config", &[]),
    ("trail", &["model"]),
    ("db", &["model", "config"]),
    ("auth", &["model", "config", "db"]),
    ("domain", &["model", "config", "trail", "db"]),
    ("feed", &["model", "config", "db"]),
    ("limits", &["model", "config", "db"]),
    ("batcher", &["model", "config", "db", "domain"]),
    (
        "graphql",
        &[
            "model", "config", "trail", "db", "auth", "domain", "feed", "limits", "batcher",
        ],
    ),
    (
        "http",
        &[
            "model", "config", "trail", "db", "auth", "domain", "feed", "limits", "batcher",
            "graphql",
        ],
    ),
    (
        "app",
        &[
            "model", "config", "trail", "db", "auth", "domain", "feed", "limits", "batcher",
            "graphql", "http",
        ],
    ),
];

#[test]
fn imports_point_downward() {
    let mut imports = 0;
    for (floor, below) in FLOORS {
        for (file, text) in sources(floor) {
            for imported in floors_named_in(&text) {
                imports += 1;
                let allowed = imported == floor || below.contains(&imported.as_str());
                assert!(
                    allowed,
                    "{}: {floor} must not use {imported}",
                    file.display()
                );
            }
        }
    }
    assert!(imports > 200, "the test reads the imports: {imports}");
}

#[test]
fn every_module_has_a_floor() {
    let library = fs::read_to_string(source("lib.rs")).unwrap();
    let modules: Vec<&str> = library
        .lines()
        .filter_map(|line| {
            line.trim_start_matches("pub ")
                .strip_prefix("mod ")?
                .strip_suffix(';')
        })
        .collect();
    assert_eq!(modules.len(), FLOORS.len());
    assert!(
        modules
            .iter()
            .all(|module| FLOORS.iter().any(|(floor, _)| floor == module))
    );
}

#[test]
fn one_module_writes_seats() {
    for (floor, _) in FLOORS {
        for (file, text) in sources(floor) {
            let writes = [
                "update(seats::",
                "insert_into(seats::",
                "delete(seats::",
                "UPDATE seats",
                "INSERT INTO seats",
                "DELETE FROM seats",
            ];
            let writes = writes.iter().any(|statement| text.contains(statement));
            assert!(
                !writes || file.ends_with("db/seats.rs") || file.ends_with("db/seats/moving.rs"),
                "{} writes seats",
                file.display()
            );
        }
    }
    let prolonging = fs::read_to_string(source("db/seats.rs")).unwrap();
    let updates: Vec<&str> = prolonging.split("update(seats::").skip(1).collect();
    assert_eq!(updates.len(), 1, "beside the one that changes seats");
    let set = updates[0].split(".set(").nth(1).unwrap();
    let set = set.split("returning").next().unwrap();
    assert_eq!(set.trim(), "seats::held_until.eq(until))\n        .");

    let moving = fs::read_to_string(source("db/seats/moving.rs")).unwrap();
    let updates: Vec<&str> = moving.split("UPDATE seats SET").skip(1).collect();
    assert_eq!(updates.len(), 1, "and that is one");
    let (set, matched) = updates[0].split_once("WHERE").unwrap();
    assert!(set.contains("version = seats.version + 1"));
    assert!(matched.contains("seats.version = wanted.version"));
}

#[test]
fn the_domain_knows_no_transport_and_the_database_no_rules() {
    for (floor, strangers) in [
        ("domain", &["async_graphql", "axum", "tower"][..]),
        ("db", &["async_graphql", "axum", "tower"]),
        ("feed", &["async_graphql", "axum", "tower"]),
        ("limits", &["async_graphql", "axum", "tower"]),
        ("model", &["async_graphql", "axum", "diesel_async"]),
        ("graphql", &["axum", "tower"]),
    ] {
        for (file, text) in sources(floor) {
            for stranger in strangers {
                let named = text.contains(&format!("{stranger}::"));
                assert!(
                    !named,
                    "{}: {floor} must not know {stranger}",
                    file.display()
                );
            }
        }
    }
}

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(path)
}

/// Every Rust file of a floor, with its text.
fn sources(floor: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![source(floor)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "there is a floor {floor}");
    found
}

/// The floors that a file names, in `use` lines and in paths alike.
fn floors_named_in(text: &str) -> Vec<String> {
    let named = |line: &str| -> Vec<String> {
        line.split("crate::")
            .skip(1)
            .map(|rest| {
                rest.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect()
            })
            .collect()
    };
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(named)
        .filter(|name: &String| FLOORS.iter().any(|(floor, _)| floor == name))
        .collect()
}
