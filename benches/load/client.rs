//! A client that costs little: one connection that is kept, requests that are
//! written once, answers that are read by their length. It shares the machine
//! with the server, so what it costs is missing there.

use crate::Outcome;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Client {
    stream: TcpStream,
    head: String,
    answer: Vec<u8>,
}

impl Client {
    /// Connects; `headers` are sent with every request, each ended by CRLF.
    pub async fn connect(address: &str, headers: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let head = format!(
            "POST /graphql HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n{headers}"
        );
        Ok(Self {
            stream,
            head,
            answer: Vec::new(),
        })
    }

    /// Sends a body; answers that of the answer, as it came.
    pub async fn post(&mut self, body: &str) -> Outcome<&[u8]> {
        let request = format!("{}Content-Length: {}\r\n\r\n{body}", self.head, body.len());
        self.stream.write_all(request.as_bytes()).await?;
        self.answer.clear();
        let head = loop {
            self.read().await?;
            if let Some(end) = find(&self.answer, b"\r\n\r\n") {
                break end + 4;
            }
        };
        let text = std::str::from_utf8(&self.answer[..head])?.to_ascii_lowercase();
        if !text.starts_with("http/1.1 200") {
            return Err(format!("the server answered {text}").into());
        }
        if let Some((_, rest)) = text.split_once("content-length: ") {
            let length: usize = rest.lines().next().unwrap_or_default().parse()?;
            while self.answer.len() < head + length {
                self.read().await?;
            }
        } else {
            // Compressed answers come in chunks; the last one is empty.
            while !self.answer.ends_with(b"0\r\n\r\n") {
                self.read().await?;
            }
        }
        Ok(&self.answer[head..])
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

    async fn read(&mut self) -> Outcome<()> {
        match self.stream.read_buf(&mut self.answer).await? {
            0 => Err("the server closed the connection".into()),
            _ => Ok(()),
        }
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window == wanted)
}
