//! Bodies of answers as `Content-Encoding` has them.

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZstdDecoder};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What was encoded.
pub async fn decoded(encoding: &str, body: &[u8]) -> Vec<u8> {
    let mut reader: Box<dyn AsyncRead + Send + Unpin> = match encoding {
        "identity" => Box::new(body),
        "gzip" => Box::new(GzipDecoder::new(body)),
        "br" => Box::new(BrotliDecoder::new(body)),
        "zstd" => Box::new(ZstdDecoder::new(body)),
        other => panic!("what is {other}?"),
    };
    let mut decoded = Vec::new();
    reader.read_to_end(&mut decoded).await.unwrap();
    decoded
}
