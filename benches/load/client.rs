//! A client that costs little: one connection that is kept, requests that are
//! written once, answers that are read by their length. It shares the machine
//! with the server, so what it costs is missing there.

use crate::Outcome;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What there is room for at least when more is read.
const BUFFER: usize = 4 * 1024;

pub struct Client {
    stream: TcpStream,
    headers: String,
    /// The answer, as it came.
    received: Vec<u8>,
    /// The body of one that came in chunks.
    body: Vec<u8>,
}

impl Client {
    /// Connects; `headers` are sent with every request, each ended by CRLF.
    pub async fn connect(address: &str, headers: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            headers: format!("Host: {address}\r\n{headers}"),
            received: Vec::new(),
            body: Vec::new(),
        })
    }

    /// Sends a body to GraphQL; answers that of the answer, as it came.
    pub async fn post(&mut self, body: &str) -> Outcome<&[u8]> {
        let request = format!(
            "POST /graphql HTTP/1.1\r\nContent-Type: application/json\r\n{}\
             Content-Length: {}\r\n\r\n{body}",
            self.headers,
            body.len()
        );
        self.send(&request).await
    }

    /// Gets what is at a path, as it came.
    pub async fn get(&mut self, path: &str) -> Outcome<&[u8]> {
        let request = format!("GET {path} HTTP/1.1\r\n{}\r\n", self.headers);
        self.send(&request).await
    }

    async fn send(&mut self, request: &str) -> Outcome<&[u8]> {
        self.stream.write_all(request.as_bytes()).await?;
        self.received.clear();
        let head = self.read_head().await?;
        let text = str::from_utf8(&self.received[..head])?;
        if !text.starts_with("HTTP/1.1 200") {
            let status = text.lines().next().unwrap_or_default();
            return Err(format!("the server answered {status}").into());
        }
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse::<usize>())
        });
        if let Some(length) = length {
            self.read_until_has(head + length?).await?;
            return Ok(&self.received[head..]);
        }
        // Compressed answers come in chunks; the last one is empty.
        let mut place = head;
        self.body.clear();
        loop {
            let line = self.read_line(place).await?;
            let size = str::from_utf8(&self.received[place..line])?;
            let size = usize::from_str_radix(size.trim_end(), 16)?;
            self.read_until_has(line + size + 2).await?;
            self.body
                .extend_from_slice(&self.received[line..line + size]);
            place = line + size + 2;
            if size == 0 {
                return Ok(&self.body);
            }
        }
    }

    /// Sends a mutation; answers what became of it, or `None` when too many others were
    /// in the way. The bench ends with any other error.
    pub async fn mutate(&mut self, query: &str, input: &Value) -> Outcome<Option<Value>> {
        let body = json!({"query": query, "variables": {"input": input}}).to_string();
        let mut answer: Value = serde_json::from_slice(self.post(&body).await?)?;
        match &answer["errors"] {
            Value::Null => {}
            errors if errors[0]["extensions"]["code"] == "CONTENDED" => return Ok(None),
            errors => return Err(format!("the server failed: {errors}").into()),
        }
        let data = answer["data"].as_object_mut();
        let field = data.and_then(|data| data.values_mut().next());
        Ok(Some(field.ok_or("an answer without data")?.take()))
    }

    /// Where the body of an answer begins.
    async fn read_head(&mut self) -> Outcome<usize> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.received, b"\r\n\r\n") {
                return Ok(end + 4);
            }
            self.read().await?;
        }
    }

    /// Where the line ends that begins here.
    async fn read_line(&mut self, start: usize) -> Outcome<usize> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.received[start..]) {
                return Ok(start + end + 1);
            }
            self.read().await?;
        }
    }

    async fn read_until_has(&mut self, length: usize) -> Outcome<()> {
        while self.received.len() < length {
            self.read().await?;
        }
        Ok(())
    }

    async fn read(&mut self) -> Outcome<()> {
        self.received.reserve(BUFFER);
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err("the server closed the connection".into()),
            _ => Ok(()),
        }
    }
}
