//! A connection on which a test says every byte, whether it is HTTP or not.

use crate::support::PATIENCE;
use std::fmt::Write;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{interval, timeout};

pub struct Wire {
    stream: TcpStream,
}

/// How a server answers, as it is on the wire.
#[derive(Debug)]
pub struct Said(pub String);

impl Said {
    /// The status, or nothing where there was no answer.
    pub fn status(&self) -> Option<u16> {
        let rest = self.0.strip_prefix("HTTP/1.1 ")?;
        rest.get(..3)?.parse().ok()
    }

    /// How many answers came, one after another.
    pub fn answers(&self) -> usize {
        self.0.matches("HTTP/1.1 ").count()
    }
}

/// A request for GraphQL with these headers, whose body is yet to come.
pub fn head(headers: &[&str]) -> String {
    let mut head = "POST /graphql HTTP/1.1\r\nhost: usher\r\n".to_owned();
    for header in headers {
        write!(head, "{header}\r\n").unwrap();
    }
    head + "\r\n"
}

impl Wire {
    /// To the server at this `http:` address.
    pub async fn to(server: &str) -> Self {
        let address = server.strip_prefix("http://").unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        Self { stream }
    }

    /// To the same, from this address of the loopback network.
    pub async fn from(address: [u8; 4], server: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        let server = server.strip_prefix("http://").unwrap().parse().unwrap();
        let stream = socket.connect(server).await.unwrap();
        Self { stream }
    }

    /// Says all of it, or as much as the server takes before it is gone.
    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let saying = self.stream.write_all(bytes.as_ref());
        let _ = timeout(PATIENCE, saying).await.expect("it is taken");
    }

    /// Reads until what was said ends like this, and the connection goes on.
    pub async fn hear(&mut self, end: &str) {
        let mut heard = Vec::new();
        let hearing = async {
            while !heard.ends_with(end.as_bytes()) {
                heard.push(self.stream.read_u8().await.unwrap());
            }
        };
        let heard = timeout(PATIENCE, hearing).await;
        heard.unwrap_or_else(|_| panic!("no {end:?} comes"));
    }

    /// Waits until the server has let go of the connection; answers what it has said.
    pub async fn heard(mut self) -> Said {
        let mut heard = Vec::new();
        let hearing = self.stream.read_to_end(&mut heard);
        // A reset is as good an end as any.
        let _ = timeout(PATIENCE, hearing).await.expect("it goes on");
        Said(String::from_utf8_lossy(&heard).into_owned())
    }

    /// Says these bytes and waits for the end.
    pub async fn exchange(server: &str, bytes: impl AsRef<[u8]>) -> Said {
        let mut wire = Self::to(server).await;
        wire.say(bytes).await;
        wire.heard().await
    }

    /// Says one more byte with each tick, and listens, until the server lets go.
    pub async fn drip(self, byte: u8, pause: Duration) -> Said {
        let (mut reading, mut writing) = self.stream.into_split();
        let dripping = tokio::spawn(async move {
            let mut pace = interval(pause);
            while writing.write_all(&[byte]).await.is_ok() {
                pace.tick().await;
            }
        });
        let mut heard = Vec::new();
        let hearing = reading.read_to_end(&mut heard);
        let _ = timeout(PATIENCE, hearing).await.expect("it goes on");
        dripping.abort();
        Said(String::from_utf8_lossy(&heard).into_owned())
    }
}
