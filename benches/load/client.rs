//! A client that costs little: one connection that is kept, requests that are
//! written once, answers that are read by their length. It shares the machine
//! with the server, so what it costs is missing there.

use crate::Outcome;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Most that is read at once.
const BUFFER: usize = 64 * 1024;

pub struct Client {
    stream: BufReader<TcpStream>,
    headers: String,
    body: Vec<u8>,
}

impl Client {
    /// Connects; `headers` are sent with every request, each ended by CRLF.
    pub async fn connect(address: &str, headers: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::with_capacity(BUFFER, stream),
            headers: format!("Host: {address}\r\n{headers}"),
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
        self.stream.get_mut().write_all(request.as_bytes()).await?;
        self.body.clear();
        let status = self.read_line().await?;
        if !status.starts_with("http/1.1 200") {
            return Err(format!("the server answered {status}").into());
        }
        let mut length = None;
        loop {
            let line = self.read_line().await?;
            match line.trim_end().split_once(':') {
                Some(("content-length", value)) => length = Some(value.trim().parse()?),
                Some(_) => {}
                None => break,
            }
        }
        if let Some(length) = length {
            self.read_body(length).await?;
            return Ok(&self.body);
        }
        // Compressed answers come in chunks; the last one is empty.
        loop {
            let length = usize::from_str_radix(self.read_line().await?.trim_end(), 16)?;
            self.read_body(length).await?;
            self.read_line().await?;
            if length == 0 {
                break;
            }
        }
        Ok(&self.body)
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

    async fn read_line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line).await? {
            0 => Err("the server closed the connection".into()),
            _ => Ok(line.to_ascii_lowercase()),
        }
    }

    /// Adds so many bytes to the body.
    async fn read_body(&mut self, length: usize) -> Outcome<()> {
        let start = self.body.len();
        self.body.resize(start + length, 0);
        self.stream.read_exact(&mut self.body[start..]).await?;
        Ok(())
    }
}
