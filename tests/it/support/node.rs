//! Clients from npm, in `tests/node`. They are never skipped: without them the
//! test fails and says who installs them.

use std::path::Path;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// Longer than any of the scripts takes.
const LONGEST_RUN: Duration = Duration::from_mins(4);

/// Runs a script of `tests/node`, which must succeed, and answers what it printed.
pub async fn run(script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node");
    assert!(
        folder.join("node_modules").is_dir(),
        "the npm packages of tests/node are missing: script/test installs them, \
         or `npm ci` in that folder"
    );
    let running = Command::new("node")
        .arg(folder.join(script))
        .args(arguments)
        .envs(variables.iter().copied())
        .kill_on_drop(true)
        .output();
    let output = timeout(LONGEST_RUN, running)
        .await
        .unwrap_or_else(|_| panic!("{script} does not end"))
        .unwrap_or_else(|error| {
            panic!("node cannot be run ({error}): script/test installs it where it is missing")
        });
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{script} failed:\n{printed}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}
