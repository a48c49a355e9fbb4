//! `usher token`.

use crate::app::output::{self, OutputError};
use crate::auth::keys::{self, KeyFileError};
use crate::auth::{MintError, mint};
use crate::config::{AuthenticationSettings, NoDataDir, StorageSettings, some_time};
use crate::model::Role;
use crate::model::caller::is_subject;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use secrecy::SecretString;
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
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The server that should believe it has no key to know it by.
    #[error("with DATABASE_URL the server's key is USHER_JWT_SECRET: set it here as it is there")]
    NoSecret,
    /// There is no data folder to take the key from.
    #[error(transparent)]
    NoDataDir(#[from] NoDataDir),
    /// The key could not be read.
    #[error(transparent)]
    Key(#[from] KeyFileError),
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
    let secret = secret(storage, authentication)?.ok_or(TokenError::NoSecret)?;
    let token = mint(&secret, &request.subject, request.role, request.valid_for)?;
    Ok(output::write(format_args!("{token}\n"))?)
}

/// The key that bearer tokens are signed with: the one that was given; without
/// one, that of the data folder, made if need be; with `DATABASE_URL` none.
///
/// # Errors
/// When the data folder cannot be used.
pub fn secret(
    storage: &StorageSettings,
    authentication: &AuthenticationSettings,
) -> Result<Option<SecretString>, TokenError> {
    if let Some(secret) = authentication.jwt_secret() {
        return Ok(Some(secret.clone()));
    }
    if storage.database_url().is_some() {
        return Ok(None);
    }
    Ok(Some(keys::load_or_create_secret(&storage.data_dir()?)?))
}
