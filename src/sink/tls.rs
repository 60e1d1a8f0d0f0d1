//! Certificates: whom we trust, and who we are. Verification is always on and there is no switch against it:
//! a receiver with a certificate of its own making is trusted by naming that certificate (`ca=FILE`).

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use super::url::Papers;

/// Certificates, read.
pub(super) struct Tls {
    roots: Vec<CertificateDer<'static>>,
    /// Our chain, and our key as PEM.
    client: Option<(Vec<CertificateDer<'static>>, Vec<u8>)>,
}

impl Tls {
    /// Reads the files, or the system's roots where no file is named.
    ///
    /// # Errors
    /// A file cannot be read or holds no certificate or key; in words for the user.
    pub(super) fn read(papers: &Papers) -> Result<Self, String> {
        let roots = match &papers.ca {
            Some(file) => certificates(file)?,
            None => rustls_native_certs::load_native_certs().certs,
        };
        if roots.is_empty() {
            return Err(
                "the system trusts nobody (Debian: install ca-certificates); name a ca=FILE".to_owned()
            );
        }
        let client = match &papers.client {
            Some((chain, key)) => {
                let pem = std::fs::read(key).map_err(|error| unreadable(key, "key", error))?;
                PrivateKeyDer::from_pem_slice(&pem).map_err(|error| unreadable(key, "key", error))?;
                Some((certificates(chain)?, pem))
            }
            None => None,
        };
        Ok(Self { roots, client })
    }

    /// For a stream of our own.
    ///
    /// # Errors
    /// Nobody can be trusted, or certificate and key do not belong together.
    pub(super) fn rustls(&self) -> Result<Arc<ClientConfig>, String> {
        let mut roots = RootCertStore::empty();
        let (trusted, _) = roots.add_parsable_certificates(self.roots.iter().cloned());
        if trusted == 0 {
            return Err("none of the trusted certificates can be used".to_owned());
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
        let config = match &self.client {
            Some((chain, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| error.to_string())?;
                builder
                    .with_client_auth_cert(chain.clone(), key)
                    .map_err(|error| format!("the client certificate cannot be used: {error}"))?
            }
            None => builder.with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }

    /// For the HTTP client.
    pub(super) fn ureq(&self) -> TlsConfig {
        let copied = |chain: &[CertificateDer<'static>]| -> Vec<Certificate<'static>> {
            chain.iter().map(|der| Certificate::from_der(der).to_owned()).collect()
        };
        let client = self.client.as_ref().and_then(|(chain, key)| {
            // It was read as PEM once already, so this cannot fail.
            let key = PrivateKey::from_pem(key).ok()?;
            Some(ClientCert::new_with_certs(&copied(chain), key))
        });
        TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&copied(&self.roots)))
            .client_cert(client)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build()
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|error| unreadable(file, "certificate", error))?;
    if found.is_empty() { Err(unreadable(file, "certificate", "there is none in it")) } else { Ok(found) }
}

fn unreadable(file: &Path, what: &str, why: impl Display) -> String {
    format!("cannot read the {what} in {} (PEM): {why}", file.display())
}
