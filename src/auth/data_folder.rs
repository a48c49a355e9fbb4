//! The key and the staff token that the embedded default keeps in its data
//! folder, readable by their owner alone.

use super::authenticator::Authenticator;
use super::claims::TokenRules;
use super::minting::{MintError, NewToken, SigningKey, mint};
use crate::model::{Caller, Role};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

const KEY_FILE: &str = "jwt-secret";
/// The file of the staff token.
pub const STAFF_TOKEN_FILE: &str = "staff-token";
const STAFF_TOKEN_VALIDITY: Duration = Duration::from_hours(365 * 24);

/// A file of the data folder could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be {doing}")]
pub struct DataFolderError {
    path: PathBuf,
    doing: &'static str,
    #[source]
    source: io::Error,
}

/// Why there is no staff token.
#[derive(Debug, thiserror::Error)]
pub enum StaffTokenError {
    /// It could not be kept.
    #[error(transparent)]
    File(#[from] DataFolderError),
    /// It could not be made.
    #[error(transparent)]
    Mint(#[from] MintError),
}

/// The signing secret of this data folder, made at random when there is none.
///
/// # Errors
/// When the file can be neither read nor written.
pub fn load_or_create_secret(data_dir: &Path) -> Result<SecretString, DataFolderError> {
    let path = data_dir.join(KEY_FILE);
    if let Some(secret) = read(&path)? {
        return Ok(SecretString::from(secret));
    }
    // As PostgreSQL's unprivileged user needs it: passable, and no more.
    DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(data_dir)
        .map_err(|source| DataFolderError {
            path: data_dir.to_owned(),
            doing: "made",
            source,
        })?;
    let random: [u8; 32] = rand::random();
    write_private(&path, &URL_SAFE_NO_PAD.encode(random))?;
    // Whoever expected a key there learns that no server knows this one yet.
    tracing::info!(file = %path.display(), "made a new key that tokens are signed with");
    // Read again: of two processes that made one at once, one file has won.
    match read(&path)? {
        Some(secret) => Ok(SecretString::from(secret)),
        None => Err(DataFolderError {
            path,
            doing: "read",
            source: io::Error::from(io::ErrorKind::NotFound),
        }),
    }
}

/// Makes a staff token for this data folder, unless it has one that is believed; then there
/// is nothing to answer with: who started usher has been shown that one before.
///
/// # Errors
/// When it can be neither read nor made.
pub fn mint_staff_token(
    data_dir: &Path,
    secret: &SecretString,
    rules: &TokenRules,
    authenticator: &Authenticator,
    now: DateTime<Utc>,
) -> Result<Option<String>, StaffTokenError> {
    let path = data_dir.join(STAFF_TOKEN_FILE);
    if let Some(token) = read(&path)? {
        let identity = authenticator.authenticate(Some(&format!("Bearer {token}")), now);
        if identity.is_ok_and(|identity| matches!(identity.caller, Caller::Staff { .. })) {
            return Ok(None);
        }
        fs::remove_file(&path).map_err(|source| DataFolderError {
            path: path.clone(),
            doing: "replaced",
            source,
        })?;
    }
    let staff = NewToken {
        subject: "staff",
        role: Role::Staff,
        valid_for: STAFF_TOKEN_VALIDITY,
    };
    let key = SigningKey::from_secret(secret).map_err(MintError::from)?;
    let token = mint(&key, rules, &staff, now)?;
    write_private(&path, &token)?;
    Ok(Some(token))
}

fn read(path: &Path) -> Result<Option<String>, DataFolderError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(DataFolderError {
            path: path.to_owned(),
            doing: "read",
            source,
        }),
    }
}

/// Writes a file that only its owner may read, whole or not at all, even when the
/// machine stops meanwhile; leaves one that is there alone.
fn write_private(path: &Path, text: &str) -> Result<(), DataFolderError> {
    let failed = |source| DataFolderError {
        path: path.to_owned(),
        doing: "written",
        source,
    };
    let unfinished = path.with_extension(format!("unfinished-{}", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .and_then(|mut file| {
            writeln!(file, "{text}")?;
            file.sync_all()
        })
        .and_then(|()| fs::hard_link(&unfinished, path));
    let removed = fs::remove_file(&unfinished);
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.and(removed).map_err(failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Visitors;
    use chrono::TimeDelta;
    use secrecy::ExposeSecret;
    use std::os::unix::fs::PermissionsExt;

    fn minted(folder: &Path, now: DateTime<Utc>) -> Option<String> {
        let secret = load_or_create_secret(folder).unwrap();
        let rules = TokenRules::default();
        let authenticator =
            Authenticator::new(Some(&secret), None, rules.clone(), Visitors::None).unwrap();
        mint_staff_token(folder, &secret, &rules, &authenticator, now).unwrap()
    }

    fn kept(folder: &Path) -> String {
        read(&folder.join(STAFF_TOKEN_FILE)).unwrap().unwrap()
    }

    #[test]
    fn both_are_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let now = Utc::now();
        let secret = load_or_create_secret(folder.path()).unwrap();
        let token = minted(folder.path(), now).unwrap();
        let again = load_or_create_secret(folder.path()).unwrap();
        assert_eq!(again.expose_secret(), secret.expose_secret());
        assert_eq!(minted(folder.path(), now), None, "it was shown before");
        assert_eq!(kept(folder.path()), token);
        for name in [KEY_FILE, STAFF_TOKEN_FILE] {
            let mode = fs::metadata(folder.path().join(name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_token_of_another_key_or_another_year_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let now = Utc::now();
        let token = minted(folder.path(), now).unwrap();
        fs::remove_file(folder.path().join(KEY_FILE)).unwrap();
        let other = minted(folder.path(), now).unwrap();
        assert_ne!(token, other);
        let later = minted(folder.path(), now + TimeDelta::days(366)).unwrap();
        assert_ne!(other, later);
        assert_eq!(kept(folder.path()), later);
    }
}
