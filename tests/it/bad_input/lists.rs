//! Pages of lists: how many, and after what.

use super::{assert_error, id_of};
use crate::support::actor::Actor;
use crate::support::digest::Digest;
use crate::support::{Answer, Event, House};
use serde_json::{Value, json};

/// The lists that there are, with the most that a page of each may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Venues,
    Events,
    Seats,
}

impl List {
    const ALL: [Self; 3] = [Self::Venues, Self::Events, Self::Seats];

    fn longest_page(self) -> i64 {
        if self == Self::Seats { 1_000 } else { 100 }
    }

    async fn page(self, caller: &Actor, event: &Event, first: Value, after: Value) -> Answer {
        let page = "(first: $first, after: $after) { \
            nodes { id } edges { cursor node { id } } pageInfo { endCursor hasNextPage } }";
        let (parameter, field) = match self {
            Self::Venues => ("", format!("list: venues{page}")),
            Self::Events => ("", format!("list: events{page}")),
            Self::Seats => (
                ", $event: ID!",
                format!("event(id: $event) {{ list: seats{page} }}"),
            ),
        };
        let query = format!("query($first: Int, $after: String{parameter}) {{ {field} }}");
        let variables = json!({"first": first, "after": after, "event": event.id});
        let Answer(mut answer) = caller.ask(&query, variables).await;
        if self == Self::Seats && answer["data"]["event"].is_object() {
            answer["data"] = answer["data"]["event"].take();
        }
        Answer(answer)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_has_from_none_to_as_many_as_the_list_allows() {
    let house = House::open().await;
    let event = house.event(2, 5).await;
    house.event(1, 1).await;
    let visitor = house.visitor();
    let before = Digest::of(&house).await;
    for list in List::ALL {
        let most = list.longest_page();
        for first in [
            -1,
            100_000,
            most + 1,
            i64::from(i32::MIN),
            i64::from(i32::MAX),
        ] {
            let answer = list.page(&visitor, &event, json!(first), json!(null)).await;
            assert_error(&answer, "BAD_USER_INPUT");
            let message = answer.error_message();
            assert!(message.contains(&format!("from 0 to {most}")), "{message}");
        }
        for first in [1 << 31, -(1 << 31) - 1, i64::MAX] {
            let answer = list.page(&visitor, &event, json!(first), json!(null)).await;
            assert_error(&answer, "BAD_USER_INPUT");
        }
        for first in [json!("1"), json!(1.5), json!(true), json!([1])] {
            let answer = list.page(&visitor, &event, first, json!(null)).await;
            assert_error(&answer, "GRAPHQL_VALIDATION_FAILED");
        }
        let none = list.page(&visitor, &event, json!(0), json!(null)).await;
        let none = &none.data()["list"];
        assert_eq!(none["nodes"], json!([]), "{list:?}");
        assert_eq!(
            none["pageInfo"],
            json!({"endCursor": null, "hasNextPage": true})
        );
        let all = list.page(&visitor, &event, json!(most), json!(null)).await;
        assert!(!all.data()["list"]["nodes"].as_array().unwrap().is_empty());
    }
    before.assert_unchanged("looking at lists").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_cursor_is_refused() {
    let house = House::open().await;
    let event = house.event(1, 5).await;
    let visitor = house.visitor();
    let before = Digest::of(&house).await;
    for list in List::ALL {
        let page = list.page(&visitor, &event, json!(1), json!(null)).await;
        let cursor = page.data()["list"]["pageInfo"]["endCursor"].clone();
        let cursor = cursor.as_str().unwrap();
        let plain = super::inside(cursor);
        let (words, key) = plain.rsplit_once(':').unwrap();
        for broken in [
            "",
            " ",
            "0",
            "1",
            "!",
            &cursor[1..],
            &cursor[..cursor.len() - 1],
            &format!("{cursor}="),
            &format!("{cursor}A"),
            &id_of(key),
            &id_of(words),
            &id_of(&format!("{words}:")),
            &id_of(&format!("{words}:x")),
            &id_of(&format!("{words}:+{key}")),
            &id_of(&format!("{words}:0{key}")),
            &id_of(&format!("{words}:9223372036854775808")),
            &id_of(&format!("{words}:1 OR 1=1")),
            &event.id,
            &event.seats[0].id,
        ] {
            let answer = list.page(&visitor, &event, json!(1), json!(broken)).await;
            assert_error(&answer, "BAD_USER_INPUT");
        }
        // A key of nothing is a place like any other: what follows is listed.
        for (key, some) in [(i64::MAX, false), (i64::MIN, true)] {
            let forged = id_of(&format!("{words}:{key}"));
            let answer = list.page(&visitor, &event, json!(1), json!(forged)).await;
            let nodes = answer.data()["list"]["nodes"].as_array().unwrap();
            assert_eq!(!nodes.is_empty(), some, "{list:?} after {key}");
        }
    }
    before.assert_unchanged("looking at lists").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_list_is_refused() {
    let house = House::open().await;
    let (event, other) = (house.event(1, 5).await, house.event(1, 5).await);
    let visitor = house.visitor();
    for of in List::ALL {
        let page = of.page(&visitor, &event, json!(1), json!(null)).await;
        let cursor = &page.data()["list"]["pageInfo"]["endCursor"];
        for list in List::ALL {
            let answer = list.page(&visitor, &event, json!(1), cursor.clone()).await;
            if list == of {
                assert_eq!(answer.data()["list"]["nodes"].as_array().unwrap().len(), 1);
            } else {
                assert_error(&answer, "BAD_USER_INPUT");
            }
        }
    }
    // The seats of another event are another list as well.
    let page = List::Seats
        .page(&visitor, &event, json!(1), json!(null))
        .await;
    let cursor = &page.data()["list"]["pageInfo"]["endCursor"];
    let answer = List::Seats
        .page(&visitor, &other, json!(1), cursor.clone())
        .await;
    assert_error(&answer, "BAD_USER_INPUT");
    // And the cursor of a map is not that of a page.
    let map = visitor.seat_map(&event.id).await["cursor"].clone();
    for list in List::ALL {
        let answer = list.page(&visitor, &event, json!(1), map.clone()).await;
        assert_error(&answer, "BAD_USER_INPUT");
    }
}
