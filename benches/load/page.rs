//! Tables as they come, row by row: shown at once, and kept for a file.

use crate::Outcome;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// What a run shows.
#[derive(Default)]
pub struct Page {
    tables: Vec<Table>,
}

#[derive(Default)]
struct Table {
    columns: Vec<String>,
    rows: Vec<Map<String, Value>>,
}

/// Where what is shown goes as well.
#[derive(clap::Args)]
pub struct Output {
    /// Writes what came out of the run to this file, too.
    #[arg(long, global = true, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

impl Output {
    /// Writes it there, if somewhere.
    pub fn write(&self, found: &impl Serialize) -> Outcome<()> {
        if let Some(file) = &self.json {
            write(file, found)?;
        }
        Ok(())
    }
}

fn write(file: &Path, found: &impl Serialize) -> Outcome<()> {
    std::fs::write(file, serde_json::to_string_pretty(found)?)?;
    Ok(())
}

impl Page {
    /// Begins a table; what its columns are called stands between bars. All but the first of
    /// them are numbers, mostly.
    pub fn head(&mut self, line: &str) {
        let columns = cells(line);
        let lines = columns.iter().skip(1).map(|_| " ---: |");
        println!("{line}\n| --- |{}", lines.collect::<String>());
        self.tables.push(Table {
            columns,
            rows: Vec::new(),
        });
    }

    /// One more row, with bars as the head has them.
    pub fn row(&mut self, line: &str) {
        println!("{line}");
        let Some(table) = self.tables.last_mut() else {
            return;
        };
        let cells = cells(line).into_iter().map(|cell| value(&cell));
        let row = table.columns.iter().cloned().zip(cells);
        table.rows.push(row.collect());
    }

    /// Ends the run.
    pub fn write(&self, run: &str, settings: &impl Serialize, output: &Output) -> Outcome<()> {
        let tables: Vec<_> = self.tables.iter().map(|table| &table.rows).collect();
        output.write(&json!({"run": run, "settings": settings, "tables": tables}))
    }
}

/// What stands between the bars of a line.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim().trim_start_matches('|').trim_end_matches('|');
    line.split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// A number, or else a text.
fn value(cell: &str) -> Value {
    cell.parse::<f64>()
        .map_or_else(|_| cell.into(), Value::from)
}
