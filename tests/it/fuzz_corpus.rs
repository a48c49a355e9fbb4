//! The corpus of the fuzz targets, file by file: what was found once is not to come back.
//! `script/fuzz` looks for more.

#[path = "../../fuzz/src/checks/mod.rs"]
mod targets;

use std::fs;
use std::path::Path;

/// Gives a target all files of its corpus. The last one that is printed is the one that failed.
fn replay(target: &str, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let folder = fs::read_dir(corpus.join(target)).unwrap();
    let files: Vec<_> = folder.map(|file| file.unwrap().path()).collect();
    assert!(files.len() > 10, "{target} has no corpus");
    for file in files {
        println!("{}", file.display());
        check(&fs::read(&file).unwrap());
    }
}

#[test]
fn cursors_and_ids() {
    replay("cursors_and_ids", targets::cursors_and_ids::check);
}

#[test]
fn documents() {
    replay("documents", targets::documents::check);
}

#[test]
fn http_request() {
    replay("http_request", targets::http_request::check);
}

#[test]
fn plan_import() {
    replay("plan_import", targets::plan_import::check);
}

#[test]
fn websocket_messages() {
    replay("websocket_messages", targets::websocket_messages::check);
}
