//! Secrets that stand in files, as orchestrators hand them out. It must never show what it
//! has read.

use secrecy::SecretString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// More than any secret has: who names a device or a log by mistake is not read for ever.
const LARGEST: u64 = 64 * 1024;

/// A file that should have a secret in it is of no use.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It has nothing in it.
    #[error("{0} is empty: it should have a secret in it")]
    Empty(PathBuf),
    /// It has more in it than a secret.
    #[error("{0} is no secret: it is larger than 64 KiB")]
    TooLarge(PathBuf),
}

/// The secret in a file, without the line break that editors leave at its end.
///
/// # Errors
/// When the file cannot be read as text, has nothing in it, or far too much.
pub fn read_secret(path: &Path) -> Result<SecretString, SecretFileError> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text))
        .map_err(|source| SecretFileError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
    if text.len() as u64 > LARGEST {
        return Err(SecretFileError::TooLarge(path.to_owned()));
    }
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(SecretFileError::Empty(path.to_owned()));
    }
    Ok(SecretString::from(secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn a_secret_is_read_without_its_line_break() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for text in ["se cret ", "se cret \n", "se cret \r\n"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(read_secret(&path).unwrap().expose_secret(), "se cret ");
        }
    }

    #[test]
    fn what_holds_no_secret_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for (content, said) in [
            (&b""[..], "is empty"),
            (b"\n", "is empty"),
            (b"\xff\xfe", "cannot be read"),
            (&vec![b'a'; 65 * 1024], "larger than"),
        ] {
            std::fs::write(&path, content).unwrap();
            let error = read_secret(&path).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
            assert!(error.contains(path.to_str().unwrap()), "{error}");
        }
        let missing = read_secret(&folder.path().join("missing")).unwrap_err();
        assert!(missing.to_string().contains("cannot be read"));
    }
}
