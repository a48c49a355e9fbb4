//! What the settings say of tokens, put together: by which keys they are believed, and what
//! is made up where nothing is configured.

use crate::auth::data_folder::{self, DataFolderError, StaffTokenError};
use crate::auth::{Authenticator, KeyFile, KeyFileError, SecretTooShort, TokenRules};
use crate::config::{AuthenticationSettings, NoDataDir, StorageSettings};
use chrono::Utc;
use secrecy::SecretString;
use std::path::Path;
use std::sync::Arc;

/// Why the keys of tokens are not to be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The configured secret is no secret.
    #[error(transparent)]
    TooShort(#[from] SecretTooShort),
    /// The configured key file is of no use.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// There is no data folder to keep a key in.
    #[error(transparent)]
    NoDataDir(#[from] NoDataDir),
    /// What the data folder keeps could not be read, or made.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
}

/// Who is believed, and what staff are let in with.
pub struct Authentication {
    /// Believes as the settings say.
    pub authenticator: Authenticator,
    /// Whether any token is believed.
    pub has_key: bool,
    rules: TokenRules,
    /// The secret of the data folder, where no key is configured.
    own_secret: Option<SecretString>,
}

impl Authentication {
    /// As the settings say.
    ///
    /// # Errors
    /// When a key that they name cannot be used.
    pub fn open(
        storage: &StorageSettings,
        settings: &AuthenticationSettings,
    ) -> Result<Self, KeysError> {
        let secret = secret(storage, settings)?;
        let public = settings.jwt_keys().map(KeyFile::open).transpose()?;
        let rules = rules(settings);
        let visitors = settings.visitors(storage.database_url().is_none());
        let has_key = secret.is_some() || public.is_some();
        let public = public.map(Arc::new);
        Ok(Self {
            authenticator: Authenticator::new(secret.as_ref(), public, rules.clone(), visitors)?,
            has_key,
            rules,
            own_secret: secret.filter(|_| !settings.has_key()),
        })
    }

    /// Makes the staff token of a data folder, if it is to have one and does not yet. Where a
    /// key is configured it has none: whoever has that key says who is staff.
    ///
    /// # Errors
    /// When it can be neither read nor made.
    pub fn staff_token(&self, data_dir: &Path) -> Result<StaffToken, StaffTokenError> {
        let Some(secret) = &self.own_secret else {
            return Ok(StaffToken::None);
        };
        let minted = data_folder::mint_staff_token(
            data_dir,
            secret,
            &self.rules,
            &self.authenticator,
            Utc::now(),
        )?;
        Ok(match minted {
            Some(token) => StaffToken::New(token),
            None => StaffToken::Kept,
        })
    }
}

/// The staff token of a data folder.
#[derive(Debug, PartialEq, Eq)]
pub enum StaffToken {
    /// There is none.
    None,
    /// It was made just now, and nobody has seen it.
    New(String),
    /// It was there before, or is not to be shown.
    Kept,
}

impl StaffToken {
    /// What may be printed of it. Elsewhere than on a terminal what is printed is kept, as in a
    /// journal, and others read it: then only the file is named.
    #[must_use]
    pub fn to_print(self, on_terminal: bool) -> Self {
        match self {
            Self::New(_) if !on_terminal => Self::Kept,
            other => other,
        }
    }
}

/// What tokens must say.
pub fn rules(settings: &AuthenticationSettings) -> TokenRules {
    TokenRules {
        issuer: settings.jwt_issuer().map(ToOwned::to_owned),
        audience: settings.jwt_audience().map(ToOwned::to_owned),
        role_claim: settings.jwt_role_claim().to_owned(),
        ..TokenRules::default()
    }
}

/// The secret that tokens are signed with: the one that was given. Without any key, that of
/// the data folder, made if need be; with `DATABASE_URL`, or where others sign, none.
///
/// # Errors
/// When it cannot be read, or the data folder cannot be used.
pub fn secret(
    storage: &StorageSettings,
    settings: &AuthenticationSettings,
) -> Result<Option<SecretString>, KeysError> {
    let given = settings.jwt_secret().cloned();
    if given.is_some() || settings.has_key() || storage.database_url().is_some() {
        return Ok(given);
    }
    Ok(Some(data_folder::load_or_create_secret(
        &storage.data_dir()?,
    )?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_is_printed_on_a_terminal_only() {
        let new = || StaffToken::New("x.y.z".to_owned());
        assert_eq!(new().to_print(true), new());
        assert_eq!(new().to_print(false), StaffToken::Kept);
        assert_eq!(StaffToken::None.to_print(false), StaffToken::None);
    }
}
