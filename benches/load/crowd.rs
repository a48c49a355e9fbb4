//! Thousands of watchers of one event on one thread that does as little as it can for
//! each: it takes whole frames, counts them, and keeps their cursor. Only a sample of
//! the watchers reads what the frames say.

use crate::frames::{self, Frame};
use crate::sample::Sample;
use crate::{Outcome, process};
use memchr::memmem;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde_json::json;
use std::io::{ErrorKind, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use usher::model::cursor::Cursor;
use usher::model::global_id::GlobalId;
use usher::model::ids::EventId;

/// How many wait for their first map at once.
const ARRIVING: usize = 64;
/// How many at most read what they are told.
const SAMPLES: usize = 50;
/// How often a thread with nothing to read looks whether it is over.
const LOOK: Duration = Duration::from_millis(20);
/// How long everything may take to arrive once nothing changes any more.
const PATIENCE: Duration = Duration::from_secs(30);

const SUBSCRIPTION: &str = "subscription($event: ID!) { seatMap(eventId: $event) { \
    ... on SeatMapSnapshot { cursor seats { id version status } } \
    ... on SeatMapDelta { cursor changes { seatId version status } } } }";
const CURSOR: &[u8] = b"\"cursor\":\"";
const CHANGE: &[u8] = b"\"seatId\"";

/// A place in the feed: a transaction, and a change of it.
pub type Position = (u64, i64);

/// A crowd that watches.
pub struct Crowd {
    thread: JoinHandle<Outcome<Seen>>,
    last: Arc<Mutex<Option<Position>>>,
}

/// What a crowd was told after its first maps.
pub struct Seen {
    pub messages: u64,
    pub changes: u64,
    pub bytes: u64,
    pub samples: Vec<Sample>,
    /// Watchers that were not told everything.
    pub unserved: usize,
    /// What the thread has computed since the first maps were there.
    pub computed: Duration,
}

impl Crowd {
    /// Comes, and answers when everybody has a map.
    pub async fn gather(address: &str, event: EventId, watchers: usize) -> Outcome<Self> {
        let last = Arc::new(Mutex::new(None));
        let (ready, is_ready) = oneshot::channel();
        let mut watching = Watching::new(address, event, Arc::clone(&last))?;
        let thread = std::thread::spawn(move || {
            watching.gather(watchers)?;
            // Nobody waits if the bench has failed.
            let _ = ready.send(());
            watching.watch()
        });
        if is_ready.await.is_err() {
            return Err(match ended(thread).await {
                Err(error) => error,
                Ok(_) => "the crowd left".into(),
            });
        }
        Ok(Self { thread, last })
    }

    /// Waits until everybody was told of the last change there is, or should have been.
    pub async fn leave(self, last: Position) -> Outcome<Seen> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
        ended(self.thread).await
    }
}

async fn ended(thread: JoinHandle<Outcome<Seen>>) -> Outcome<Seen> {
    let joined = tokio::task::spawn_blocking(|| thread.join()).await?;
    joined.map_err(|_| "the crowd's thread panicked")?
}

struct Watching {
    address: String,
    subscribe: Vec<u8>,
    poll: Poll,
    watchers: Vec<Watcher>,
    buffer: Vec<u8>,
    /// How many have their map.
    ready: usize,
    messages: u64,
    changes: u64,
    bytes: u64,
    last: Arc<Mutex<Option<Position>>>,
}

struct Watcher {
    stream: TcpStream,
    is_upgraded: bool,
    is_ready: bool,
    /// What is there of a frame of which more is to come.
    part: Vec<u8>,
    /// What is there of a message that comes in pieces.
    pieces: Vec<u8>,
    /// The newest one, as it came.
    cursor: String,
    sample: Option<Sample>,
}

impl Watching {
    fn new(address: &str, event: EventId, last: Arc<Mutex<Option<Position>>>) -> Outcome<Self> {
        let variables = json!({"event": GlobalId::Event(event).to_string()});
        let payload = json!({"query": SUBSCRIPTION, "variables": variables});
        let subscribe = json!({"id": "1", "type": "subscribe", "payload": payload});
        let mut messages = frames::text(&json!({"type": "connection_init"}).to_string());
        messages.extend(frames::text(&subscribe.to_string()));
        Ok(Self {
            address: address.to_owned(),
            subscribe: messages,
            poll: Poll::new()?,
            watchers: Vec::new(),
            buffer: vec![0; 256 * 1024],
            ready: 0,
            messages: 0,
            changes: 0,
            bytes: 0,
            last,
        })
    }

    fn gather(&mut self, watchers: usize) -> Outcome<()> {
        let every = watchers.div_ceil(SAMPLES);
        let mut events = Events::with_capacity(1024);
        while self.ready < watchers {
            while self.watchers.len() < watchers && self.watchers.len() - self.ready < ARRIVING {
                self.connect(self.watchers.len().is_multiple_of(every))?;
            }
            self.turn(&mut events)?;
        }
        (self.messages, self.changes, self.bytes) = (0, 0, 0);
        Ok(())
    }

    fn connect(&mut self, is_sampled: bool) -> Outcome<()> {
        let mut stream = std::net::TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        stream.write_all(frames::handshake(&self.address).as_bytes())?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        let token = Token(self.watchers.len());
        let registry = self.poll.registry();
        registry.register(&mut stream, token, Interest::READABLE)?;
        self.watchers.push(Watcher {
            stream,
            is_upgraded: false,
            is_ready: false,
            part: Vec::new(),
            pieces: Vec::new(),
            cursor: String::new(),
            sample: is_sampled.then(Sample::default),
        });
        Ok(())
    }

    fn watch(mut self) -> Outcome<Seen> {
        let before = process::computed_by_this_thread()?;
        let mut events = Events::with_capacity(4096);
        let mut give_up = None;
        let mut unserved;
        loop {
            self.turn(&mut events)?;
            let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(last) = last else {
                continue;
            };
            unserved = self.not_yet_at(last)?;
            let give_up = *give_up.get_or_insert_with(|| Instant::now() + PATIENCE);
            if unserved == 0 || Instant::now() > give_up {
                break;
            }
        }
        let samples = self.watchers.iter_mut();
        Ok(Seen {
            messages: self.messages,
            changes: self.changes,
            bytes: self.bytes,
            samples: samples
                .filter_map(|watcher| watcher.sample.take())
                .collect(),
            unserved,
            computed: process::computed_by_this_thread()?.saturating_sub(before),
        })
    }

    /// How many have not come so far.
    fn not_yet_at(&self, last: Position) -> Outcome<usize> {
        let mut count = 0;
        for watcher in &self.watchers {
            let cursor: Cursor = watcher.cursor.parse()?;
            count += usize::from((cursor.transaction, cursor.id) < last);
        }
        Ok(count)
    }

    /// Takes what has arrived.
    fn turn(&mut self, events: &mut Events) -> Outcome<()> {
        match self.poll.poll(events, Some(LOOK)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        for event in &*events {
            self.read(event.token().0)?;
        }
        Ok(())
    }

    fn read(&mut self, number: usize) -> Outcome<()> {
        loop {
            let watcher = &mut self.watchers[number];
            let length = match watcher.stream.read(&mut self.buffer) {
                Ok(0) => return Err("the server closed a socket".into()),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let now = Instant::now();
            if watcher.part.is_empty() {
                let taken = take(&self.buffer[..length], watcher, &self.subscribe, now)?;
                watcher.part.extend(&self.buffer[taken.length..length]);
                self.count(&taken);
            } else {
                let mut bytes = std::mem::take(&mut watcher.part);
                bytes.extend(&self.buffer[..length]);
                let taken = take(&bytes, watcher, &self.subscribe, now)?;
                if taken.length < bytes.len() {
                    bytes.drain(..taken.length);
                    watcher.part = bytes;
                }
                self.count(&taken);
            }
            // Less than there was room for: there is nothing more.
            if length < self.buffer.len() {
                return Ok(());
            }
        }
    }

    fn count(&mut self, taken: &Taken) {
        self.ready += usize::from(taken.is_first_map);
        self.messages += taken.messages;
        self.changes += taken.changes;
        self.bytes += taken.length as u64;
    }
}

/// What came of some bytes.
#[derive(Default)]
struct Taken {
    length: usize,
    messages: u64,
    changes: u64,
    is_first_map: bool,
}

/// Takes the whole frames at the beginning of these bytes.
fn take(bytes: &[u8], watcher: &mut Watcher, subscribe: &[u8], now: Instant) -> Outcome<Taken> {
    let mut taken = Taken::default();
    if !watcher.is_upgraded {
        let Some(end) = frames::end_of_handshake(bytes)? else {
            return Ok(taken);
        };
        watcher.is_upgraded = true;
        watcher.stream.write_all(subscribe)?;
        taken.length = end;
    }
    while let Some((frame, length)) = frames::first(&bytes[taken.length..])? {
        taken.length += length;
        match frame {
            Frame::Text(text) => watcher.hear(text, now, &mut taken)?,
            Frame::Piece { text, is_last } => {
                watcher.pieces.extend(text);
                if is_last {
                    let whole = std::mem::take(&mut watcher.pieces);
                    watcher.hear(&whole, now, &mut taken)?;
                }
            }
            Frame::Ping(payload) => watcher.stream.write_all(&frames::pong(payload))?,
            Frame::Close(reason) => {
                let reason = String::from_utf8_lossy(reason.get(2..).unwrap_or_default());
                return Err(format!("the server closed a socket: {reason}").into());
            }
            Frame::Other => {}
        }
    }
    Ok(taken)
}

impl Watcher {
    fn hear(&mut self, text: &[u8], now: Instant, taken: &mut Taken) -> Outcome<()> {
        let Some(start) = memmem::find(text, CURSOR) else {
            if !self.is_ready && memmem::find(text, b"connection_ack").is_some() {
                return Ok(());
            }
            return Err(String::from_utf8_lossy(text).into());
        };
        let cursor = &text[start + CURSOR.len()..];
        let length = memchr::memchr(b'"', cursor).ok_or("a cursor without an end")?;
        self.cursor.clear();
        self.cursor
            .push_str(std::str::from_utf8(&cursor[..length])?);
        taken.messages += 1;
        taken.changes += memmem::find_iter(text, CHANGE).count() as u64;
        taken.is_first_map |= !self.is_ready;
        self.is_ready = true;
        match &mut self.sample {
            Some(sample) => sample.hear(text, now),
            None => Ok(()),
        }
    }
}
