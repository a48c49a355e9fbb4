//! Who is asking: bearer tokens in, a [`Caller`](crate::model::Caller) out. What a caller
//! may do is for the domain to say.
//!
//! Reading order: `authenticator` has the way of a credential, `keys` those that are believed
//! and how each of them is used, `key_file` where they come from and how they change, `claims`
//! what a token must say, `minting` how one is made. `data_folder` keeps what the embedded
//! default makes up for itself.
//!
//! **Invariant:** how a signature is checked is a property of the key, never of the token.
//! **Invariant:** whoever shows a credential is the one that it speaks of, or nobody: never
//! a visitor.

mod authenticator;
mod claims;
pub mod data_folder;
mod error;
mod key_file;
mod keys;
mod minting;

pub use authenticator::{Authenticator, Identity};
pub use claims::TokenRules;
pub use error::AuthenticationError;
pub use key_file::{KeyFile, KeyFileError};
pub use keys::{BadKeys, MIN_SECRET_BYTES, SecretTooShort};
pub use minting::{BadSigningKey, MintError, NewToken, SigningKey, mint};
