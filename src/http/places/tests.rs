//! Who gets a place, and who gives theirs up for it.

use super::*;
use futures_util::FutureExt;
use futures_util::task::noop_waker_ref;
use tokio::time::advance;

const HERE: &str = "192.0.2.1";
const ELSEWHERE: &str = "192.0.2.2";
const PROXY: &str = "10.0.0.1";

fn places(connections: u32, per_address: u32) -> Places {
    Places::new(connections, per_address, PROXY.parse().unwrap())
}

fn share(places: &Places, address: &str) -> Option<Share> {
    places.share(address.parse().unwrap())
}

/// The place of somebody for whom there is one at once.
fn enter(places: &Places, address: &str) -> Place {
    let share = share(places, address).expect("the address has a share left");
    let entering = places.place(share).now_or_never();
    entering.expect("there is a place left")
}

fn is_asked(place: &mut Place) -> bool {
    let mut context = Context::from_waker(noop_waker_ref());
    place.poll_asked_to_go(&mut context).is_ready()
}

impl Places {
    fn known(&self) -> (usize, usize) {
        let open = self.0.lock();
        (open.by_address.len(), open.idle.len())
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_has_a_share_and_others_have_theirs() {
    let places = places(10, 2);
    let first = enter(&places, HERE);
    let _second = enter(&places, HERE);
    assert!(share(&places, HERE).is_none());
    let _other = enter(&places, ELSEWHERE);
    drop(first);
    let _third = enter(&places, HERE);
    assert!(share(&places, HERE).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_customer_s_network_of_ipv6_is_one_address() {
    let places = places(10, 1);
    let _first = enter(&places, "2001:db8:1:1::1");
    assert!(share(&places, "2001:db8:1:1:ffff::2").is_none());
    let _other = enter(&places, "2001:db8:1:2::1");
    let _mapped = enter(&places, "::ffff:192.0.2.1");
    assert!(share(&places, HERE).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_trusted_proxy_has_no_share_and_is_never_asked_to_go() {
    let places = places(3, 1);
    let mut clients = [enter(&places, PROXY), enter(&places, PROXY)];
    let _last = enter(&places, PROXY);
    assert!(clients.iter_mut().all(|client| !is_asked(client)));
    let share = share(&places, HERE).unwrap();
    let mut waiting = Box::pin(places.place(share));
    assert!(waiting.as_mut().now_or_never().is_none());
    assert!(clients.iter_mut().all(|client| !is_asked(client)));
    drop(clients);
    assert!(waiting.now_or_never().is_some());
}

#[tokio::test(start_paused = true)]
async fn of_a_full_address_the_one_that_is_idle_for_longest_goes() {
    let places = places(10, 3);
    let mut working = enter(&places, HERE);
    let (mut longest, mut idle) = (enter(&places, HERE), enter(&places, HERE));
    let mut elsewhere = enter(&places, ELSEWHERE);
    assert!(!is_asked(&mut elsewhere));
    assert!(!is_asked(&mut longest));
    assert!(!is_asked(&mut idle));
    // It was idle for longer, and is not any more.
    assert!(!is_asked(&mut working));
    working.is_busy();
    assert!(share(&places, HERE).is_none(), "not that soon");
    advance(GRACE).await;
    let _newcomer = enter(&places, HERE);
    assert!(is_asked(&mut longest));
    assert!(!is_asked(&mut idle) && !is_asked(&mut elsewhere));
    let _another = enter(&places, HERE);
    assert!(is_asked(&mut idle));
    assert!(share(&places, HERE).is_none(), "nobody is idle");
    // They had been taken for gone.
    drop((longest, idle));
    assert!(share(&places, HERE).is_none());
    assert!(!is_asked(&mut elsewhere));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_idle_for_longest_goes_when_all_places_are_taken() {
    let places = places(3, 3);
    let mut longest = enter(&places, HERE);
    let mut idle = enter(&places, ELSEWHERE);
    let working = enter(&places, HERE);
    assert!(!is_asked(&mut longest) && !is_asked(&mut idle));
    let newcomer = share(&places, "192.0.2.3").unwrap();
    let mut entering = Box::pin(places.place(newcomer));
    assert!(entering.as_mut().now_or_never().is_none());
    assert!(!is_asked(&mut longest), "not that soon");
    advance(GRACE).await;
    assert!(entering.as_mut().now_or_never().is_none());
    assert!(is_asked(&mut longest));
    // One is enough.
    assert!(entering.as_mut().now_or_never().is_none());
    assert!(!is_asked(&mut idle));
    drop(longest);
    let entered = entering.now_or_never().unwrap();
    drop((entered, idle, working));
    assert_eq!(places.known(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_is_asked_while_a_request_comes_stays_and_another_one_goes() {
    let places = places(2, 2);
    let (mut first, mut second) = (enter(&places, HERE), enter(&places, ELSEWHERE));
    assert!(!is_asked(&mut first) && !is_asked(&mut second));
    let newcomer = share(&places, HERE).unwrap();
    let mut entering = Box::pin(places.place(newcomer));
    advance(GRACE).await;
    assert!(entering.as_mut().now_or_never().is_none());
    first.is_busy();
    assert!(entering.as_mut().now_or_never().is_none());
    assert!(is_asked(&mut second));
    // Idle once more, it is not asked for that time.
    assert!(!is_asked(&mut first));
    drop(second);
    let entered = entering.now_or_never().unwrap();
    // It counts again, with the newcomer.
    first.is_busy();
    assert!(share(&places, HERE).is_none());
    drop((first, entered));
    assert_eq!(places.known(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_let_in_when_somebody_becomes_idle() {
    let places = places(1, 2);
    let mut first = enter(&places, HERE);
    let newcomer = share(&places, ELSEWHERE).unwrap();
    let mut entering = Box::pin(places.place(newcomer));
    assert!(entering.as_mut().now_or_never().is_none());
    assert!(!is_asked(&mut first));
    assert!(entering.as_mut().now_or_never().is_none());
    advance(GRACE).await;
    assert!(entering.as_mut().now_or_never().is_none());
    assert!(is_asked(&mut first));
    drop(first);
    assert!(entering.now_or_never().is_some());
}
