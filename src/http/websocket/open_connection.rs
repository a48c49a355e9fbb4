//! How many sockets are open, for the metrics.
//!
//! It must never know what becomes of one.

/// Counts a connection in the metrics for as long as it lives.
pub struct OpenConnection;

impl OpenConnection {
    /// From now on.
    pub fn count() -> Self {
        metrics::gauge!("usher_websocket_connections").increment(1.0);
        Self
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        metrics::gauge!("usher_websocket_connections").decrement(1.0);
    }
}
