//! What a database's URL says about TLS in libpq's words, of which the driver knows too few.
//!
//! **Invariant:** nothing that is said about TLS is passed over. What usher does not do, it
//! refuses, and says what it does instead.

use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::path::PathBuf;

/// Whom to believe, and how to say who one is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TlsOptions {
    /// The certificates that the server's must lead to; those of the system, if no file is named.
    pub roots: Option<PathBuf>,
    /// The certificate that usher shows the server.
    pub certificate: Option<PathBuf>,
    /// The key of that.
    pub key: Option<PathBuf>,
}

impl TlsOptions {
    fn names_files(&self) -> bool {
        self.roots.is_some() || self.certificate.is_some()
    }
}

/// What a URL says about TLS and usher does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTlsOption {
    /// A weaker check than the one that is always made.
    #[error(
        "sslmode=verify-ca is not there: wherever usher encrypts it checks the certificate and \
         the host's name, as sslmode=verify-full says"
    )]
    VerifyCa,
    /// Plain first, and encrypted where the server insists.
    #[error(
        "sslmode=allow is not there: say verify-full, prefer (encrypted if the server can), or \
         disable"
    )]
    Allow,
    /// libpq refuses it, too: who names the system's roots wants them to count.
    #[error("sslrootcert=system needs sslmode=verify-full")]
    WeakSystem,
    /// Half of what makes a client certificate.
    #[error("sslcert and sslkey are given together, or neither of them")]
    HalfOfCertificate,
    /// A path that cannot be read.
    #[error("a path about TLS is not UTF-8 once its percent signs are decoded")]
    Path,
}

/// Takes out of a URL what the driver does not know about TLS; what is left says the rest.
pub(super) fn take(url: &str) -> Result<(Cow<'_, str>, TlsOptions), BadTlsOption> {
    let mut options = TlsOptions::default();
    let Some((base, query)) = split(url) else {
        return Ok((Cow::Borrowed(url), options));
    };
    let (mut kept, mut mode, mut is_system) = (Vec::new(), None, false);
    for parameter in query.split('&') {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let key = percent_decode_str(key).decode_utf8_lossy();
        let path = || {
            let path = percent_decode_str(value).decode_utf8();
            let path = path.map_err(|_| BadTlsOption::Path)?;
            // libpq takes nothing for not given, too.
            Ok(Some(PathBuf::from(&*path)).filter(|path| !path.as_os_str().is_empty()))
        };
        match &*key {
            "sslmode" => mode = Some(value),
            "sslrootcert" => {
                is_system = value == "system";
                options.roots = path()?.filter(|_| !is_system);
            }
            "sslcert" => options.certificate = path()?,
            "sslkey" => options.key = path()?,
            _ => kept.push(Cow::Borrowed(parameter)),
        }
    }
    if options.certificate.is_some() != options.key.is_some() {
        return Err(BadTlsOption::HalfOfCertificate);
    }
    match mode {
        Some("verify-ca") => return Err(BadTlsOption::VerifyCa),
        Some("allow") => return Err(BadTlsOption::Allow),
        Some("disable" | "prefer") if is_system => return Err(BadTlsOption::WeakSystem),
        // The driver's word for "not without TLS"; that the certificate is checked with the
        // host's name is not up to it.
        Some("verify-full") => kept.push("sslmode=require".into()),
        // Whoever says how the server is to be known does not want it unknown.
        None if is_system || options.names_files() => kept.push("sslmode=require".into()),
        Some(other) => kept.push(format!("sslmode={other}").into()),
        None => {}
    }
    if kept.is_empty() {
        return Ok((Cow::Borrowed(base), options));
    }
    Ok((format!("{base}?{}", kept.join("&")).into(), options))
}

/// A URL before its parameters, and these; as the driver does it, which looks for the first @.
fn split(url: &str) -> Option<(&str, &str)> {
    let rest = ["postgres://", "postgresql://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme))?;
    let after_user = rest.find('@').map_or(rest, |at| &rest[at + 1..]);
    let mark = url.len() - after_user.len() + after_user.find('?')?;
    Some((&url[..mark], &url[mark + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(file: &str) -> TlsOptions {
        TlsOptions {
            roots: Some(file.into()),
            ..TlsOptions::default()
        }
    }

    #[test]
    fn the_driver_is_told_what_it_knows() {
        let nothing = TlsOptions::default;
        for (url, left, options) in [
            ("postgres://u@h/d", "postgres://u@h/d", nothing()),
            (
                "postgres://u@h/d?sslmode=verify-full",
                "postgres://u@h/d?sslmode=require",
                nothing(),
            ),
            (
                "postgres://u:p?x@h/d?sslmode=prefer&connect_timeout=3",
                "postgres://u:p?x@h/d?connect_timeout=3&sslmode=prefer",
                nothing(),
            ),
            (
                "postgresql://a:1,b:2/d?target_session_attrs=read-write&sslmode=verify-full",
                "postgresql://a:1,b:2/d?target_session_attrs=read-write&sslmode=require",
                nothing(),
            ),
            (
                "postgres://u@h/d?sslrootcert=/etc/a%20root.pem",
                "postgres://u@h/d?sslmode=require",
                roots("/etc/a root.pem"),
            ),
            (
                "postgres://u@h/d?sslrootcert=system",
                "postgres://u@h/d?sslmode=require",
                nothing(),
            ),
            (
                "postgres://u@h/d?sslrootcert=&sslcert=&sslkey=",
                "postgres://u@h/d",
                nothing(),
            ),
            // Its own words are for what it does not know.
            (
                "postgres://u@h/d?sslmode=often&sslcrl=x",
                "postgres://u@h/d?sslcrl=x&sslmode=often",
                nothing(),
            ),
            (
                "host=h sslmode=require",
                "host=h sslmode=require",
                nothing(),
            ),
        ] {
            let (taken, found) = take(url).unwrap();
            assert_eq!((&*taken, found), (left, options), "{url}");
        }
        let (left, both) = take("postgres://u@h/d?sslcert=c.pem&sslkey=k.pem").unwrap();
        assert_eq!(left, "postgres://u@h/d?sslmode=require");
        assert_eq!(both.certificate, Some("c.pem".into()));
        assert_eq!(both.key, Some("k.pem".into()));
    }

    #[test]
    fn what_usher_does_not_do_is_refused() {
        use BadTlsOption::{Allow, HalfOfCertificate, Path, VerifyCa, WeakSystem};
        for (parameters, expected) in [
            ("sslmode=verify-ca", VerifyCa),
            ("sslmode=allow", Allow),
            ("sslmode=prefer&sslrootcert=system", WeakSystem),
            ("sslrootcert=system&sslmode=disable", WeakSystem),
            ("sslcert=/c.pem", HalfOfCertificate),
            ("sslkey=/k.pem&sslcert=", HalfOfCertificate),
            ("sslrootcert=%ff", Path),
        ] {
            let url = format!("postgres://u@h/d?{parameters}");
            assert_eq!(take(&url).unwrap_err(), expected, "{url}");
        }
    }
}
