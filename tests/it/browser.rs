//! GraphiQL in a real Chromium, against a house with the demo in it: what a
//! newcomer does first.

use crate::support::{House, house, node};
use std::path::Path;
use usher::model::Role;

#[tokio::test(flavor = "multi_thread")]
async fn graphiql_works_in_a_browser_and_shows_a_change_at_once() {
    let house = House::with_demo().await;
    let screenshot = Path::new(env!("CARGO_TARGET_TMPDIR")).join("graphiql.png");
    let token = house::token("tess", Role::Staff);
    let printed = node::run(
        "graphiql.mjs",
        &[&house.url, screenshot.to_str().unwrap()],
        &[("USHER_STAFF_TOKEN", &token)],
    )
    .await;
    println!("{printed}the screenshot is {}", screenshot.display());
    assert!(printed.ends_with("graphiql: ok\n"), "{printed}");
    assert!(
        printed.contains("a staff token is taken from the link"),
        "{printed}"
    );
    assert!(screenshot.exists());
}
