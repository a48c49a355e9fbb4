//! Secrets as they are given: by a variable or flag, or in a file that one of them names.
//!
//! A file is for service managers and orchestrators, which hand secrets over as files: what is
//! in a process' environment can be read by more than the process, and ends up in dumps.
//!
//! **Invariant:** nothing here shows a secret, neither for debugging nor in an error.

use super::reading::unless_empty;
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};
use std::fmt::{self, Debug, Formatter};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Far more than any URL or key is long. What is larger is another file.
const LARGEST: u64 = 64 * 1024;

/// A secret that was given, and prints as `***`.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// What was given; nothing for an empty variable, which counts as none.
    pub fn get(&self) -> Option<&SecretString> {
        Some(&self.0).filter(|secret| !secret.expose_secret().is_empty())
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<SecretString> for Secret {
    fn from(secret: SecretString) -> Self {
        Self(secret)
    }
}

/// Why a secret was not read. It names the variable and the file, and shows nothing of either.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Nobody could tell which one counts.
    #[error("{variable} and {variable}_FILE are both given: take one of them away")]
    Both {
        /// The variable of the secret itself.
        variable: &'static str,
    },
    /// It is missing, or closed to usher.
    #[error("{path} cannot be read ({variable}_FILE)")]
    Unreadable {
        /// The variable of the secret itself.
        variable: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no secret in it.
    #[error("{path} {fault} ({variable}_FILE)")]
    NoSecret {
        /// The variable of the secret itself.
        variable: &'static str,
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        fault: &'static str,
    },
}

/// The secret that was given by `variable` or its flag, or else in the file that
/// `variable` with `_FILE` after it names; nothing when there is neither.
///
/// # Errors
/// When both are given, or the file holds no secret.
pub fn given(
    variable: &'static str,
    secret: Option<&Secret>,
    file: Option<&Path>,
) -> Result<Option<Secret>, SecretError> {
    let secret = secret.filter(|secret| secret.get().is_some());
    match (secret, unless_empty(file)) {
        (Some(_), Some(_)) => Err(SecretError::Both { variable }),
        (Some(secret), None) => Ok(Some(secret.clone())),
        (None, Some(path)) => read(variable, path).map(Some),
        (None, None) => Ok(None),
    }
}

/// All of a file, but for the newline that editors and `echo` put at its end.
fn read(variable: &'static str, path: &Path) -> Result<Secret, SecretError> {
    let unreadable = |source| SecretError::Unreadable {
        variable,
        path: path.to_owned(),
        source,
    };
    let no_secret = |fault| SecretError::NoSecret {
        variable,
        path: path.to_owned(),
        fault,
    };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let mut bytes = Zeroizing::new(Vec::new());
    // A pipe does not say how long it is.
    let read = file.take(LARGEST + 1).read_to_end(&mut bytes);
    if read.map_err(unreadable)? as u64 > LARGEST {
        return Err(no_secret("is larger than 64 KiB: it holds no secret"));
    }
    let text = str::from_utf8(&bytes).map_err(|_| no_secret("is not UTF-8 text"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(no_secret("is empty"));
    }
    if is_open_to_others(&metadata) {
        tracing::warn!(
            file = %path.display(),
            mode = format!("{:03o}", metadata.permissions().mode() & 0o777),
            "everybody on this machine may read the secret in this file, or others may replace \
             it: chmod 0400 or 0440 keeps them out"
        );
    }
    Ok(Secret(text.to_owned().into()))
}

/// Whether anybody may read it, or anybody but its owner write to it. The group may read it: so
/// Kubernetes and systemd hand secrets to users who are not root.
fn is_open_to_others(metadata: &Metadata) -> bool {
    metadata.is_file() && metadata.permissions().mode() & 0o027 != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;
    use std::fs::Permissions;

    fn in_full(error: &SecretError) -> String {
        let cause = error.source().map(|cause| format!(": {cause}"));
        format!("{error}{}", cause.unwrap_or_default())
    }

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    fn secret_in(content: &[u8]) -> Result<String, String> {
        let file = file(content);
        let read = given("KEY", None, Some(file.path()));
        let name = file.path().display().to_string();
        match read {
            Ok(secret) => Ok(secret.unwrap().get().unwrap().expose_secret().to_owned()),
            Err(error) => Err(in_full(&error).replace(&name, "FILE")),
        }
    }

    #[test]
    fn a_file_is_read_whole_but_for_one_newline() {
        for (content, secret) in [
            ("hunter2", "hunter2"),
            ("hunter2\n", "hunter2"),
            ("hunter2\r\n", "hunter2"),
            ("hunter2\n\n", "hunter2\n"),
            (" two words\nand lines ", " two words\nand lines "),
        ] {
            assert_eq!(secret_in(content.as_bytes()).as_deref(), Ok(secret));
        }
        let largest = "x".repeat(64 * 1024);
        assert_eq!(secret_in(largest.as_bytes()), Ok(largest));
    }

    #[test]
    fn a_file_without_a_secret_is_refused_and_not_shown() {
        let too_large = "x".repeat(64 * 1024 + 1);
        for (content, fault) in [
            (&b""[..], "FILE is empty (KEY_FILE)"),
            (b"\n", "FILE is empty (KEY_FILE)"),
            (b"hunter2\xff", "FILE is not UTF-8 text (KEY_FILE)"),
            (
                too_large.as_bytes(),
                "FILE is larger than 64 KiB: it holds no secret (KEY_FILE)",
            ),
        ] {
            assert_eq!(secret_in(content).unwrap_err(), fault);
        }
        for (path, fault) in [
            ("/nonexistent/key", "No such file"),
            ("/", "Is a directory"),
        ] {
            let error = given("KEY", None, Some(Path::new(path))).unwrap_err();
            let error = in_full(&error);
            let expected = format!("{path} cannot be read (KEY_FILE): {fault}");
            assert!(error.starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn one_of_the_two_is_given_and_what_is_empty_is_none() {
        let (secret, empty) = (Secret::from("a".to_owned()), Secret::from(String::new()));
        let in_file = file(b"b");
        let text = |secret: Option<&Secret>, file: Option<&Path>| {
            let given = given("KEY", secret, file).map_err(|error| error.to_string());
            given.map(|secret| secret.map(|secret| secret.0.expose_secret().to_owned()))
        };
        let none = Path::new("");
        assert_eq!(text(None, None), Ok(None));
        assert_eq!(text(Some(&empty), Some(none)), Ok(None));
        assert_eq!(text(Some(&secret), Some(none)), Ok(Some("a".to_owned())));
        let file = Some(in_file.path());
        assert_eq!(text(Some(&empty), file), Ok(Some("b".to_owned())));
        let both = text(Some(&secret), file).unwrap_err();
        assert!(both.contains("KEY and KEY_FILE are both given"), "{both}");
    }

    #[test]
    fn a_file_is_for_its_owner_and_maybe_a_group() {
        let file = file(b"a");
        for (mode, is_open) in [
            (0o400, false),
            (0o600, false),
            (0o440, false),
            (0o640, false),
            (0o644, true),
            (0o660, true),
            (0o604, true),
        ] {
            file.as_file()
                .set_permissions(Permissions::from_mode(mode))
                .unwrap();
            let metadata = file.as_file().metadata().unwrap();
            assert_eq!(is_open_to_others(&metadata), is_open, "{mode:o}");
        }
    }

    #[test]
    fn a_secret_prints_as_three_stars() {
        let secret = Some(Secret::from("hunter2".to_owned()));
        assert_eq!(format!("{secret:?}"), "Some(***)");
    }
}
