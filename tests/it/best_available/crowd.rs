//! A crowd that buys until nothing fits any more.

use super::{event_on, hall, largest_group, zone};
use crate::support::checks::{self, assert_sound};
use crate::support::{House, insist};
use futures_util::future::join_all;
use serde_json::json;

const BUYERS: usize = 40;

/// Everybody asks for parties of one to six, and for smaller ones when there is no room
/// for so many, until not even one seat is left. Nobody is refused for as long as there
/// is room: a refusal says how many still fit together, and that is always fewer.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_sells_the_house_to_the_last_seat() {
    let house = House::open().await;
    let row = "...........___............";
    let accessible = "aa.........___..........aa";
    let mut rows = vec![row; 30];
    rows[29] = accessible;
    let event = event_on(&house, &hall(&[zone("Stalls", 0, &rows)]), json!({})).await;
    let all = event.seats.len();
    let crowd = join_all((0..BUYERS).map(|number| {
        let (visitor, event) = (house.visitor(), &event);
        async move {
            let (mut most, mut held, mut attempts) = (6, 0, 0);
            for turn in number.. {
                let size = 1 + turn % most;
                let answer = insist(async || visitor.best(&event.id, size).await).await;
                let data = answer.data();
                if data["__typename"] == "SeatsHeld" {
                    held += 1;
                    attempts += data["attempts"].as_u64().unwrap();
                    continue;
                }
                assert!(largest_group(&answer) < size as i64, "{data}");
                if size == 1 {
                    break;
                }
                most = size - 1;
            }
            (held, attempts)
        }
    }))
    .await;
    let held: u64 = crowd.iter().map(|(held, _)| held).sum();
    let attempts: u64 = crowd.iter().map(|(_, attempts)| attempts).sum();
    println!("{held} holds, {} races lost", attempts - held);
    let mut sql = house.sql().await;
    let free = "seats WHERE status = 'AVAILABLE'";
    assert_eq!(
        checks::count(&mut sql, free).await,
        4,
        "of {all} only the places that nobody asked for"
    );
    assert_sound(&house).await;
}
