//! Who is believed to be whom, and what visitors may do who say nothing of it.

use super::reading::{path, unless_empty};
use super::secret::{self, Secret, SecretError};
use clap::Args;
use secrecy::SecretString;
use std::path::{Path, PathBuf};

/// Who is believed to be whom.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Tokens")]
pub struct AuthenticationSettings {
    /// The secret that bearer tokens are signed with (HS256, at least 32
    /// bytes). With the private PostgreSQL, and without any key, one is made and kept in
    /// the data folder; with `DATABASE_URL` and without a key, no token is accepted.
    #[arg(global = true, long, env = "USHER_JWT_SECRET", hide_env_values = true)]
    #[arg(value_name = "SECRET")]
    jwt_secret: Option<Secret>,
    /// A file with that secret, in place of it.
    #[arg(
        global = true,
        long,
        env = "USHER_JWT_SECRET_FILE",
        value_name = "FILE"
    )]
    #[arg(value_parser = path)]
    jwt_secret_file: Option<PathBuf>,
    /// A file with the public keys of those who sign tokens (RS256, ES256, `EdDSA`): PEM, or
    /// a JSON Web Key Set. It is read again when it changes.
    #[arg(global = true, long, env = "USHER_JWT_KEYS", value_name = "FILE")]
    #[arg(value_parser = path)]
    jwt_keys: Option<PathBuf>,
    /// Whose tokens are believed: they must have this issuer (`iss`). Without it any.
    #[arg(global = true, long, env = "USHER_JWT_ISSUER", value_name = "NAME")]
    jwt_issuer: Option<String>,
    /// For whom tokens must be made: they must have this among their audience (`aud`).
    /// Without it, tokens that are made for a certain audience are not believed.
    #[arg(global = true, long, env = "USHER_JWT_AUDIENCE", value_name = "NAME")]
    jwt_audience: Option<String>,
    /// The claim of a token that says the role: `STAFF`, `BOX_OFFICE` or `BUYER`.
    #[arg(global = true, long, env = "USHER_JWT_ROLE_CLAIM", value_name = "NAME")]
    #[arg(default_value = "role", value_parser = claim_name)]
    jwt_role_claim: String,
    /// What visitors without a token may do: hold and book, look, or nothing at all
    /// [default: buy with the private PostgreSQL, look with `DATABASE_URL`].
    #[arg(global = true, long, env = "USHER_VISITORS", value_enum)]
    #[arg(value_name = "WHAT", hide_default_value = true)]
    visitors: Option<Visitors>,
}

/// What visitors without a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Visitors {
    /// Look, hold and book.
    Buy,
    /// Look at what is sold.
    Look,
    /// Nothing: who has no token must sign in.
    None,
}

impl AuthenticationSettings {
    /// Reads the secret if it is given in a file.
    ///
    /// # Errors
    /// When that holds no secret, or is given beside the secret itself.
    pub(super) fn read_file(&mut self) -> Result<(), SecretError> {
        let file = self.jwt_secret_file.take();
        let given = secret::given(
            "USHER_JWT_SECRET",
            self.jwt_secret.as_ref(),
            file.as_deref(),
        );
        self.jwt_secret = given?;
        Ok(())
    }

    /// The secret, if one was given.
    pub fn jwt_secret(&self) -> Option<&SecretString> {
        self.jwt_secret.as_ref().and_then(Secret::get)
    }

    /// The file of public keys, if one was given.
    pub fn jwt_keys(&self) -> Option<&Path> {
        unless_empty(self.jwt_keys.as_deref())
    }

    /// Whether a key was given in any way. One that usher makes up by itself is none.
    pub fn has_key(&self) -> bool {
        self.jwt_secret().is_some() || self.jwt_keys().is_some()
    }

    /// The issuer that tokens must have, if any.
    pub fn jwt_issuer(&self) -> Option<&str> {
        unless_empty(self.jwt_issuer.as_deref())
    }

    /// The audience that tokens must be for, if any.
    pub fn jwt_audience(&self) -> Option<&str> {
        unless_empty(self.jwt_audience.as_deref())
    }

    /// The claim that says the role.
    pub fn jwt_role_claim(&self) -> &str {
        &self.jwt_role_claim
    }

    /// What visitors may do; with the private PostgreSQL somebody is trying usher out.
    pub fn visitors(&self, is_private: bool) -> Visitors {
        let default = if is_private {
            Visitors::Buy
        } else {
            Visitors::Look
        };
        self.visitors.unwrap_or(default)
    }
}

/// The claims that have another meaning are no place for a role.
fn claim_name(text: &str) -> Result<String, String> {
    let taken = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];
    if text.is_empty() || taken.contains(&text) {
        return Err("give the name of a claim, such as role".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Command, FromArgMatches};
    use secrecy::ExposeSecret;

    fn settings(flags: &[&str]) -> AuthenticationSettings {
        let command = AuthenticationSettings::augment_args(Command::new("usher"));
        let flags = std::iter::once("usher").chain(flags.iter().copied());
        AuthenticationSettings::from_arg_matches(&command.get_matches_from(flags)).unwrap()
    }

    #[test]
    fn a_secret_is_given_once_in_either_way() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "from a file\n").unwrap();
        let file = file.to_str().unwrap();
        let given = |flags: &[&str]| {
            let mut settings = settings(flags);
            settings.read_file()?;
            let secret = settings.jwt_secret();
            Ok::<_, SecretError>(secret.map(|secret| secret.expose_secret().to_owned()))
        };
        assert_eq!(given(&[]).unwrap(), None);
        assert_eq!(
            given(&["--jwt-secret", "", "--jwt-secret-file", ""]).unwrap(),
            None
        );
        assert_eq!(given(&["--jwt-secret", "a"]).unwrap().unwrap(), "a");
        let in_file = given(&["--jwt-secret", "", "--jwt-secret-file", file]);
        assert_eq!(in_file.unwrap().unwrap(), "from a file");
        assert!(given(&["--jwt-secret", "a", "--jwt-secret-file", file]).is_err());
        assert!(given(&["--jwt-secret-file", "/nowhere"]).is_err());
    }

    #[test]
    fn a_key_counts_when_it_was_given() {
        assert!(!settings(&[]).has_key());
        assert!(!settings(&["--jwt-secret", "", "--jwt-keys", ""]).has_key());
        assert!(!settings(&["--jwt-issuer", "a"]).has_key());
        for flag in ["--jwt-secret", "--jwt-keys"] {
            assert!(settings(&[flag, "a"]).has_key(), "{flag}");
        }
    }

    #[test]
    fn visitors_buy_only_where_nothing_is_configured() {
        assert_eq!(settings(&[]).visitors(true), Visitors::Buy);
        assert_eq!(settings(&[]).visitors(false), Visitors::Look);
        for (word, meant) in [
            ("buy", Visitors::Buy),
            ("look", Visitors::Look),
            ("none", Visitors::None),
        ] {
            for is_private in [true, false] {
                assert_eq!(settings(&["--visitors", word]).visitors(is_private), meant);
            }
        }
    }

    #[test]
    fn a_role_stands_in_a_claim_of_its_own() {
        assert_eq!(settings(&[]).jwt_role_claim(), "role");
        assert!(claim_name("https://example.org/role").is_ok());
        for bad in ["", "sub", "exp"] {
            assert!(claim_name(bad).is_err(), "{bad}");
        }
    }
}
