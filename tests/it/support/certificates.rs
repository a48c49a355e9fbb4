//! Certificates, made for one test, and the files that they are handed over in.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use std::path::{Path, PathBuf};

/// Somebody who signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
pub struct Certificate {
    pub chain: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(parameters, key).unwrap())
    }

    /// Writes its own certificate into this folder.
    pub fn publish(&self, folder: &Path, name: &str) -> PathBuf {
        let file = folder.join(name);
        std::fs::write(&file, self.0.pem()).unwrap();
        file
    }

    /// One that is valid now.
    pub fn certify(&self, name: &str) -> Certificate {
        self.sign(name, CertificateParams::new([name.to_owned()]).unwrap())
    }

    /// One that was valid once.
    pub fn certify_in_the_past(&self, name: &str) -> Certificate {
        let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
        parameters.not_before = date_time_ymd(2020, 1, 1);
        parameters.not_after = date_time_ymd(2021, 1, 1);
        self.sign(name, parameters)
    }

    fn sign(&self, name: &str, mut parameters: CertificateParams) -> Certificate {
        parameters.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Certificate {
            chain: parameters.signed_by(&key, &self.0).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Certificate {
    /// Writes both into this folder: the certificate, and the key.
    pub fn publish(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let files = (
            folder.join(format!("{name}.crt")),
            folder.join(format!("{name}.key")),
        );
        std::fs::write(&files.0, &self.chain).unwrap();
        std::fs::write(&files.1, &self.key).unwrap();
        files
    }
}
