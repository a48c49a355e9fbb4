//! Pages of other origins in a real Chromium: what browsers really send and read.

use super::{a_buyer_is_served, open_to};
use crate::support::node;

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_keeps_other_pages_out_and_lets_those_of_the_list_in() {
    let house = open_to("http://shop.example").await;
    let event = house.event(1, 1).await;
    let mutation = event.holding_seat(0);
    let printed = node::run("foreign_page.mjs", &[&house.url, &mutation], &[]).await;
    assert!(printed.ends_with("foreign_page: ok\n"), "{printed}");
    // Its seat is free: nothing was done.
    a_buyer_is_served(&house, &event, 0).await;
}
