//! The table of permissions in `docs/security.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// For each field that is not open to all: who may use it.
pub struct Table {
    columns: Vec<String>,
    rows: BTreeMap<String, Vec<bool>>,
}

impl Table {
    pub fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md");
        let text = fs::read_to_string(path).unwrap();
        let mut lines = text
            .lines()
            .skip_while(|line| !line.starts_with("| field |"));
        let columns = cells(lines.next().expect("there is a table of permissions"));
        let rows: BTreeMap<String, Vec<bool>> = lines
            .skip(1)
            .take_while(|line| line.starts_with('|'))
            .map(|line| {
                let row = cells(line);
                assert_eq!(row.len(), columns.len(), "{line}");
                let field = row[0].trim_matches('`').to_owned();
                (field, row[1..].iter().map(|cell| is_yes(cell)).collect())
            })
            .collect();
        assert!(rows.len() > 15);
        Self {
            columns: columns[1..].to_vec(),
            rows,
        }
    }

    /// Whether the documents say that this field is open to somebody of this standing.
    pub fn allows(&self, field: &str, standing: &str) -> bool {
        let column = self.columns.iter().position(|column| column == standing);
        let column = column.unwrap_or_else(|| panic!("no column for {standing}"));
        self.rows.get(field).is_none_or(|row| row[column])
    }

    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.rows.keys().map(String::as_str)
    }
}

fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_matches('|');
    inner
        .split('|')
        .map(|cell| cell.trim().to_owned())
        .collect()
}

fn is_yes(cell: &str) -> bool {
    match cell {
        "yes" => true,
        "no" => false,
        other => panic!("{other:?} is neither yes nor no"),
    }
}
