//! `usher token`.

use crate::app::authentication::{self, KeysError};
use crate::app::output::{self, OutputError};
use crate::auth::{BadSigningKey, MintError, NewToken, SecretTooShort, SigningKey, mint};
use crate::config::{AuthenticationSettings, StorageSettings, some_time};
use crate::model::Role;
use crate::model::caller::is_subject;
use chrono::Utc;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use strum::VariantNames;

/// For whom a token is made.
#[derive(clap::Args, Clone, Debug)]
pub struct TokenRequest {
    /// Whom the token speaks of: a customer number, a login.
    #[arg(long, value_name = "NAME")]
    pub subject: String,
    /// What its bearer may do.
    #[arg(long, default_value = "BUYER", ignore_case = true)]
    #[arg(value_parser = PossibleValuesParser::new(Role::VARIANTS).try_map(|role| role.parse::<Role>()))]
    pub role: Role,
    /// How long it is valid.
    #[arg(long, default_value = "12h", value_parser = some_time, value_name = "TIME")]
    pub valid_for: Duration,
    /// A file with a private key (PEM) to sign it with, for a server that has the public
    /// one in `USHER_JWT_KEYS`. Without it the secret of the settings signs.
    #[arg(long, value_name = "FILE")]
    pub signing_key: Option<PathBuf>,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The server that should believe it has no key to know it by.
    #[error(
        "with DATABASE_URL the server's key is USHER_JWT_SECRET, USHER_JWT_SECRET_FILE or \
         USHER_JWT_KEYS: set it here as it is there"
    )]
    NoSecret,
    /// Somebody else signs for this server.
    #[error(
        "with USHER_JWT_KEYS usher knows public keys only and cannot sign: name the file of a \
         private key with --signing-key, or get the token where that key is"
    )]
    OnlyPublicKeys,
    /// The keys are not to be had.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The secret is of no use.
    #[error(transparent)]
    Secret(#[from] SecretTooShort),
    /// The private key cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// Its file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The private key is of no use.
    #[error("{path} is of no use")]
    SigningKey {
        /// Its file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: BadSigningKey,
    },
    /// The token could not be made.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// The token could not be printed.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// Prints a token that a server with the same settings believes.
///
/// # Errors
/// When there is no key, or it cannot be used.
pub fn run(
    storage: &StorageSettings,
    authentication: &AuthenticationSettings,
    request: &TokenRequest,
) -> Result<(), TokenError> {
    // Before a key is made for it.
    if !is_subject(&request.subject) {
        return Err(MintError::Subject.into());
    }
    let key = if let Some(path) = &request.signing_key {
        private_key(path)?
    } else {
        let secret = authentication::secret(storage, authentication)?;
        let missing = || match authentication.jwt_keys() {
            Some(_) => TokenError::OnlyPublicKeys,
            None => TokenError::NoSecret,
        };
        SigningKey::from_secret(&secret.ok_or_else(missing)?)?
    };
    let token = NewToken {
        subject: &request.subject,
        role: request.role,
        valid_for: request.valid_for,
    };
    let rules = authentication::rules(authentication);
    let token = mint(&key, &rules, &token, Utc::now())?;
    Ok(output::write(format_args!("{token}\n"))?)
}

fn private_key(path: &Path) -> Result<SigningKey, TokenError> {
    let pem = std::fs::read(path).map_err(|source| TokenError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    SigningKey::from_pem(&pem).map_err(|source| TokenError::SigningKey {
        path: path.to_owned(),
        source,
    })
}
