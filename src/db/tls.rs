//! TLS to the database, by rustls.
//!
//! **Invariant:** wherever a connection is encrypted the server's certificate is verified, with
//! the host's name: what libpq calls `sslmode=verify-full`. There is no way to encrypt
//! without, because that keeps out nobody who can stand in between.

use crate::db::tls_options::TlsOptions;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Why TLS cannot be had as the URL says.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing, or closed to usher.
    #[error("{path} cannot be read ({option})")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// The parameter of the URL that names it.
        option: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file does not have what it should. How it is wrong is not said: it may be a key.
    #[error("{path} has no {what} in PEM ({option})")]
    NothingThere {
        /// Which file.
        path: PathBuf,
        /// The parameter of the URL that names it.
        option: &'static str,
        /// What was looked for.
        what: &'static str,
    },
    /// A certificate or key that cannot be used.
    #[error("{path} cannot be used ({option})")]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// The parameter of the URL that names it.
        option: &'static str,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// rustls itself.
    #[error("TLS cannot be had")]
    Rustls(#[from] rustls::Error),
}

const CERTIFICATE: &str = "certificate";

/// What opens TLS for connections.
pub(super) fn connector(options: &TlsOptions) -> Result<MakeRustlsConnect, TlsError> {
    let roots = match &options.roots {
        Some(file) => roots_of(file)?,
        None => roots_of_system(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let (Some(certificate), Some(key)) = (&options.certificate, &options.key) else {
        return Ok(MakeRustlsConnect::new(config.with_no_client_auth()));
    };
    let chain = certificates(certificate, "sslcert")?;
    let read = PrivateKeyDer::from_pem_file(key);
    let private =
        read.map_err(|error| fault(error, key, "sslkey", "private key without a password"))?;
    let config = config
        .with_client_auth_cert(chain, private)
        .map_err(|source| TlsError::Unusable {
            path: key.clone(),
            option: "sslkey",
            source,
        })?;
    Ok(MakeRustlsConnect::new(config))
}

/// Those of the system, or of the file that `SSL_CERT_FILE` names.
fn roots_of_system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::debug!(%error, "a root certificate of the system could not be read");
    }
    roots.add_parsable_certificates(found.certs);
    roots
}

/// Those of a file, and no others.
fn roots_of(file: &Path) -> Result<RootCertStore, TlsError> {
    let option = "sslrootcert";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file, option)? {
        roots
            .add(certificate)
            .map_err(|source| TlsError::Unusable {
                path: file.to_owned(),
                option,
                source,
            })?;
    }
    Ok(roots)
}

/// The certificates of a file: one at least.
fn certificates(
    file: &Path,
    option: &'static str,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |error| fault(error, file, option, CERTIFICATE);
    let all = CertificateDer::pem_file_iter(file).map_err(failed)?;
    let all = all.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    if all.is_empty() {
        return Err(failed(pem::Error::NoItemsFound));
    }
    Ok(all)
}

fn fault(error: pem::Error, path: &Path, option: &'static str, what: &'static str) -> TlsError {
    let path = path.to_owned();
    match error {
        pem::Error::Io(source) => TlsError::Unreadable {
            path,
            option,
            source,
        },
        _ => TlsError::NothingThere { path, option, what },
    }
}

/// What to do about a server that was not believed.
pub(super) fn hint(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // An error of input or output has the one inside it as no source, but as itself.
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        let tls = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::InvalidCertificate(fault)) = tls {
            return Some(hint_at(fault));
        }
        cause = error.source();
    }
    None
}

fn hint_at(fault: &CertificateError) -> &'static str {
    match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "renew the server's certificate; if it is not that old, set this machine's clock"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is of later than this machine's clock says: set the clock"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "name the server in the URL as its certificate does, or give it one for this name; \
             if neither is wrong, this is another server"
        }
        _ => {
            "name the root certificate that the server's is signed with: sslrootcert=/path/to.pem \
             in the URL, or SSL_CERT_FILE; on a network that you trust sslmode=disable will do"
        }
    }
}
