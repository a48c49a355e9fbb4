//! What the server and its database have computed, by the kernel's account.

use crate::server::Server;
use crate::{Outcome, process};
use std::ops::{Add, Sub};
use std::time::Duration;

/// What has been computed so far, or since.
#[derive(Clone, Copy, Default)]
pub struct Cost {
    pub usher: Duration,
    /// Of all of its processes. Those of pgbench's connections are started in its slice, and
    /// what that takes is in here, too: some milliseconds for each.
    pub postgres: Duration,
}

impl Cost {
    /// Up to now.
    pub fn of(server: &Server) -> Outcome<Self> {
        Ok(Self {
            usher: process::computed(server.process()?)?,
            postgres: process::computed_by_family(server.postgres()?)?,
        })
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            usher: self.usher + other.usher,
            postgres: self.postgres + other.postgres,
        }
    }
}

impl Sub for Cost {
    type Output = Self;

    /// Never less than nothing: the kernel rounds.
    fn sub(self, before: Self) -> Self {
        Self {
            usher: self.usher.saturating_sub(before.usher),
            postgres: self.postgres.saturating_sub(before.postgres),
        }
    }
}
