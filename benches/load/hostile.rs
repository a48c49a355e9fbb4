//! What attackers send, each on a connection of its own, from an address of its own.

use crate::Outcome;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

/// How the attackers of one kind go about it.
#[derive(Clone, Copy)]
pub struct Attack {
    pub name: &'static str,
    /// The body of a GraphQL request, or all of a request that is none.
    pub sends: fn() -> Sent,
}

pub enum Sent {
    /// A document, by POST.
    Document(String),
    /// A body that is announced as this type.
    Body(&'static str, Vec<u8>),
    /// With these headers as well.
    With(&'static str, String),
    /// What a client that never comes to an end begins with; then a byte at each turn.
    Begun(&'static str),
}

pub const ATTACKS: [Attack; 17] = [
    attack("doubling fragments", doubling_fragments),
    attack("a cycle of fragments", || {
        document("{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }")
    }),
    attack("10,000 aliases", || {
        let mut fields = String::new();
        for number in 0..10_000 {
            let _ = write!(fields, "a{number}:__typename ");
        }
        Sent::Document(format!("{{ {fields} }}"))
    }),
    attack("5,000 directives", || {
        Sent::Document(format!(
            "{{ __typename {} }}",
            "@skip(if:false)".repeat(5_000)
        ))
    }),
    attack("depth 10,000", || {
        Sent::Document(format!("{}a{}", "{a".repeat(10_000), "}".repeat(10_000)))
    }),
    attack("circular introspection", || {
        let inner = "type { fields { ".repeat(30);
        Sent::Document(format!(
            "{{ __schema {{ types {{ fields {{ {inner} name {} }} }} }} }}",
            "} }".repeat(30)
        ))
    }),
    attack("a batch of 1,000", || {
        let one = r#"{"query":"{__typename}"},"#.repeat(999);
        Sent::Body(
            "application/json",
            format!("[{one}{{\"query\":\"{{a}}\"}}]").into(),
        )
    }),
    attack("variables of 1 MB", || {
        let long = "x".repeat(1_000_000);
        let body = format!(r#"{{"query":"{{__typename}}","variables":{{"a":"{long}"}}}}"#);
        Sent::Body("application/json", body.into())
    }),
    attack("bodies of 10 MB", || {
        Sent::Body("application/json", vec![b' '; 10_000_000])
    }),
    attack("forms from foreign pages", || {
        Sent::Body(
            "application/x-www-form-urlencoded",
            b"query={__typename}".into(),
        )
    }),
    attack("forged tokens", || {
        let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290Iiwicm9sZSI6IlNUQUZGIn0.";
        Sent::With("Authorization: Bearer ", token.to_owned())
    }),
    attack("whole maps", || {
        document("{ events(first: 3) { nodes { seatMap { seats { id label status version } } } } }")
    }),
    attack("1,920 pages in one document", || pages_of_seats("")),
    attack("1,920 filtered pages in one document", || {
        pages_of_seats(", filter: {status: BOOKED}")
    }),
    attack("heads that never end", || {
        Sent::Begun("POST /graphql HTTP/1.1\r\nHost: usher\r\nX-")
    }),
    attack("bodies that never end", || {
        Sent::Begun(
            "POST /graphql HTTP/1.1\r\nHost: usher\r\nContent-Type: application/json\r\n\
             Content-Length: 100000\r\n\r\n{",
        )
    }),
    attack("sockets that say nothing", || {
        Sent::Begun(
            "GET /graphql HTTP/1.1\r\nHost: usher\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n",
        )
    }),
];

const fn attack(name: &'static str, sends: fn() -> Sent) -> Attack {
    Attack { name, sends }
}

fn document(text: &str) -> Sent {
    Sent::Document(text.to_owned())
}

fn doubling_fragments() -> Sent {
    let mut text = "{ ...f0 } ".to_owned();
    for number in 0..29 {
        let next = number + 1;
        let _ = write!(
            text,
            "fragment f{number} on Query {{ ...f{next} ...f{next} }} "
        );
    }
    text += "fragment f29 on Query { __typename }";
    Sent::Document(text)
}

/// Three events, eight times, with eighty pages of seats each.
fn pages_of_seats(filter: &str) -> Sent {
    let mut text = "{ ".to_owned();
    for number in 0..8 {
        let _ = write!(text, "e{number}: events(first: 3) {{ nodes {{ ...f }} }} ");
    }
    text += "} fragment f on Event { ";
    for number in 0..80 {
        let _ = write!(
            text,
            "s{number}: seats(first: 1{filter}) {{ nodes {{ id }} }} "
        );
    }
    Sent::Document(text + "}")
}

/// How often each status was answered; what was cut off has none.
pub type Statuses = BTreeMap<String, usize>;

/// One attacker, until it is time to end.
pub async fn attack_until(
    address: String,
    attack: Attack,
    number: usize,
    pace: Duration,
    end: Instant,
) -> Outcome<Statuses> {
    let sent = (attack.sends)();
    let mut statuses = Statuses::new();
    let mut turns = interval(pace);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // 198.18.0.0/15 is there for benchmarks (RFC 2544).
    let from = format!("198.18.{}.{}", number / 250, number % 250 + 1);
    let mut stream: Option<TcpStream> = None;
    let mut buffer = vec![0; 16 * 1024];
    while timeout_at(end, turns.tick()).await.is_ok() {
        let open = match stream.take() {
            Some(open) => Ok(open),
            None => connect(&address, &sent, &from).await,
        };
        let turn = async {
            let mut open = open?;
            let status = match &sent {
                Sent::Begun(_) => drip(&mut open, &mut buffer).await?,
                _ => Some(ask(&mut open, &request(&sent, &from), &mut buffer).await?),
            };
            std::io::Result::Ok((open, status))
        };
        let status = match timeout_at(end, turn).await {
            Err(_) => break,
            Ok(Ok((open, None))) => {
                stream = Some(open);
                continue;
            }
            Ok(Ok((open, Some(status)))) => {
                // What has begun and was answered is over.
                if status.starts_with('2') || !matches!(sent, Sent::Begun(_)) {
                    stream = Some(open);
                }
                status
            }
            Ok(Err(_)) => "cut off".to_owned(),
        };
        *statuses.entry(status).or_default() += 1;
    }
    Ok(statuses)
}

async fn connect(address: &str, sent: &Sent, from: &str) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    if let Sent::Begun(text) = sent {
        let (first, rest) = text.split_once("\r\n").unwrap_or((text, ""));
        let head = format!("{first}\r\nX-Forwarded-For: {from}\r\n{rest}");
        stream.write_all(head.as_bytes()).await?;
    }
    Ok(stream)
}

fn request(sent: &Sent, from: &str) -> Vec<u8> {
    let (content_type, extra, body) = match sent {
        Sent::Document(text) => (
            "application/json",
            String::new(),
            serde_json::json!({ "query": text })
                .to_string()
                .into_bytes(),
        ),
        Sent::Body(content_type, body) => (*content_type, String::new(), body.clone()),
        Sent::With(header, value) => (
            "application/json",
            format!("{header}{value}\r\n"),
            br#"{"query":"{__typename}"}"#.to_vec(),
        ),
        Sent::Begun(_) => ("", String::new(), Vec::new()),
    };
    let mut request = format!(
        "POST /graphql HTTP/1.1\r\nHost: usher\r\nX-Forwarded-For: {from}\r\n\
         Content-Type: {content_type}\r\n{extra}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend(body);
    request
}

/// Sends it all and reads the whole answer; its status.
async fn ask(stream: &mut TcpStream, request: &[u8], buffer: &mut [u8]) -> std::io::Result<String> {
    stream.write_all(request).await?;
    let mut received = Vec::new();
    loop {
        let count = stream.read(buffer).await?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        received.extend_from_slice(&buffer[..count]);
        let Some(head) = memchr::memmem::find(&received, b"\r\n\r\n") else {
            continue;
        };
        let text = String::from_utf8_lossy(&received[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| {
            let value = line.strip_prefix("content-length:")?;
            value.trim().parse::<usize>().ok()
        });
        let is_whole = match length {
            Some(length) => received.len() >= head + 4 + length,
            None => received.ends_with(b"0\r\n\r\n"),
        };
        if is_whole {
            return Ok(text.get(9..12).unwrap_or_default().to_owned());
        }
    }
}

/// A byte more, and a look at what has been answered.
async fn drip(stream: &mut TcpStream, buffer: &mut [u8]) -> std::io::Result<Option<String>> {
    stream.write_all(b"x").await?;
    match stream.try_read(buffer) {
        Ok(0) => Err(std::io::ErrorKind::UnexpectedEof.into()),
        Ok(count) => {
            let text = String::from_utf8_lossy(&buffer[..count]);
            Ok(Some(text.get(9..12).unwrap_or_default().to_owned()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
