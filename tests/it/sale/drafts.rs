//! Drafts, which nobody but staff knows of.

use super::{ask_event, ids, walk};
use crate::support::House;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_hidden_from_buyers_until_its_sale_opens() {
    let house = House::open().await;
    let on_sale = house.event(1, 1).await;
    let draft = house.draft(1, 2, json!({})).await;
    let staff = house.staff();
    let node = "query($id: ID!) { node(id: $id) { id } }";
    for caller in [house.visitor(), house.buyer("anna")] {
        let listed = walk(&caller, "events(", None, "id", 100).await;
        assert_eq!(ids(&listed), [on_sale.id.as_str()]);
        let drafts = walk(&caller, "events(filter: {status: DRAFT}", None, "id", 100).await;
        assert_eq!(ids(&drafts), [""; 0]);
        assert_eq!(ask_event(&caller, &draft.id, "id name").await, Value::Null);
        for id in [&draft.id, &draft.seats[0].id] {
            let answer = caller.ask(node, json!({"id": id})).await;
            assert_eq!(answer.data()["node"], Value::Null);
        }
    }
    let listed = walk(&staff, "events(", None, "id", 100).await;
    assert_eq!(ids(&listed), [on_sale.id.as_str(), &draft.id]);
    let drafts = walk(&staff, "events(filter: {status: DRAFT}", None, "id", 100).await;
    assert_eq!(ids(&drafts), [draft.id.as_str()]);
    let seen = ask_event(&staff, &draft.id, "status seatMap { seats { status } }").await;
    assert_eq!(seen["status"], "DRAFT");
    assert_eq!(seen["seatMap"]["seats"].as_array().unwrap().len(), 2);
    for id in [&draft.id, &draft.seats[0].id] {
        let answer = staff.ask(node, json!({"id": id})).await;
        assert_eq!(answer.data()["node"]["id"], *id);
    }

    let opened = house.open_sale(draft).await;
    for caller in [house.visitor(), house.buyer("anna")] {
        let listed = walk(&caller, "events(", None, "id", 100).await;
        assert_eq!(ids(&listed), [on_sale.id.as_str(), &opened.id]);
        let answer = caller.ask(node, json!({"id": opened.seats[0].id})).await;
        assert_eq!(answer.data()["node"]["id"], opened.seats[0].id);
    }
    // And it does not vanish when its sale closes.
    staff.close_sale(&opened.id, opened.version).await.data();
    let seen = ask_event(&house.visitor(), &opened.id, "status").await;
    assert_eq!(seen["status"], "CLOSED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_full_however_many_drafts_lie_between() {
    let house = House::open().await;
    let staff = house.staff();
    let plan = staff.import_plan(&crate::support::house::plan(1, 1)).await;
    let mut visible = Vec::new();
    for number in 0..12 {
        let draft = house.draft_on(&plan, json!({})).await;
        if number % 4 == 3 {
            visible.push(house.open_sale(draft).await.id);
        }
    }
    for first in [1, 2, 3, 4] {
        let listed = walk(&house.visitor(), "events(", None, "id", first).await;
        assert_eq!(ids(&listed), visible, "in pages of {first}");
    }
    let listed = walk(&staff, "events(", None, "id", 5).await;
    assert_eq!(listed.len(), 12);
}
