//! 5,000 sockets from one address.

use crate::support::House;
use crate::support::event_stream::{self, EventStream};
use crate::support::house::Limits;
use crate::support::peer::Peer;
use futures_util::stream::{self, StreamExt};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use usher::config::RateLimitSettings;

const ATTACKER: [u8; 4] = [127, 6, 6, 6];
const SOCKETS: usize = 5_000;
const CAP: u32 = 200;
/// How many are tried at the same time.
const AT_ONCE: usize = 100;

/// A handshake from an address of its own. What is accepted stays open; what is refused is
/// answered with this status.
async fn handshake(server: SocketAddr) -> (u16, Option<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((ATTACKER, 0).into()).unwrap();
    let mut stream = socket.connect(server).await.unwrap();
    let request = format!(
        "GET /graphql HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    let status = std::str::from_utf8(&head[9..]).unwrap().parse().unwrap();
    (status, (status == 101).then_some(stream))
}

/// Tries so many, and answers those that are open and how often each status came.
async fn attack(server: SocketAddr, sockets: usize) -> (Vec<TcpStream>, BTreeMap<u16, usize>) {
    let mut tries = stream::iter((0..sockets).map(|_| handshake(server))).buffer_unordered(AT_ONCE);
    let (mut open, mut statuses) = (Vec::new(), BTreeMap::new());
    while let Some((status, stream)) = tries.next().await {
        *statuses.entry(status).or_default() += 1;
        open.extend(stream);
    }
    (open, statuses)
}

/// Both ends of what is open are this process's.
pub fn raise_the_limit_of_files() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
}

async fn house(rate_limits: RateLimitSettings) -> House {
    raise_the_limit_of_files();
    House::open_with_all(Limits {
        rate_limits,
        ..Limits::default()
    })
    .await
}

/// A buyer, a watcher of a map on a socket and one on a stream, who come from elsewhere.
async fn everybody_else_is_served(house: &House) {
    let event = house.event(1, 2).await;
    let bob = house.buyer("bob");
    let mut peer = Peer::ready(&house.url).await;
    let watching = format!(
        "subscription {{ seatMap(eventId: {:?}) {{ __typename }} }}",
        event.id
    );
    peer.subscribe("1", &watching).await;
    assert_eq!(peer.next().await["type"], "next");
    let mut stream = EventStream::of(event_stream::asking(&house.url, &watching)).await;
    stream.next().await;
    let held = bob.hold(&event.id, &event.seats[..1]).await;
    assert_eq!(held.data()["__typename"], "SeatsHeld");
    assert_eq!(peer.next().await["type"], "next", "the hold is told");
    stream.next().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_sockets_from_one_address_get_no_more_than_their_share() {
    let house = house(RateLimitSettings {
        sockets_per_address: CAP,
        ..RateLimitSettings::off()
    })
    .await;
    let attacking = attack(house.running.address, SOCKETS);
    let serving = async {
        for _ in 0..3 {
            everybody_else_is_served(&house).await;
        }
    };
    let ((open, statuses), ()) = tokio::join!(attacking, serving);
    let cap = CAP as usize;
    assert_eq!(statuses, [(101, cap), (429, SOCKETS - cap)].into());
    assert_eq!(open.len(), cap);
    everybody_else_is_served(&house).await;
}

/// The defaults, as they are on the open internet.
#[tokio::test(flavor = "multi_thread")]
async fn who_opens_sockets_all_the_time_is_refused_though_none_stays_open() {
    let rate_limits = RateLimitSettings {
        sockets_per_address: u32::MAX,
        ..RateLimitSettings::default()
    };
    let house = house(rate_limits).await;
    let (open, statuses) = attack(house.running.address, 1_500).await;
    drop(open);
    // 600 at once, and 10 more for each second that it takes.
    let accepted = statuses[&101];
    assert!((600..1_400).contains(&accepted), "{statuses:?}");
    assert_eq!(statuses.len(), 2, "{statuses:?}");
    assert_eq!(statuses[&429], 1_500 - accepted);
    everybody_else_is_served(&house).await;
}
