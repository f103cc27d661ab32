//! Encrypted connections: the server proves who it is, with rustls on the one provider this program has.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::address::ServerAddress;

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found =
        found.map_err(|error| format!("could not read certificates from `{}`: {error}", path.display()))?;
    if found.is_empty() {
        return Err(format!("`{}` holds no certificate in PEM form", path.display()));
    }
    Ok(found)
}

/// What makes connections to this server.
pub fn connector(address: &ServerAddress) -> Result<MakeRustlsConnect, String> {
    let mut roots = RootCertStore::empty();
    match &address.root_certificates {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| {
                    format!("`{}` holds a certificate that cannot be used: {error}", path.display())
                })?;
            }
        }
        None => {
            let system = rustls_native_certs::load_native_certs();
            let (added, _) = roots.add_parsable_certificates(system.certs);
            if added == 0 {
                return Err(
                    "this system trusts no certificates; name the server's authority with `sslrootcert=FILE`"
                        .to_owned(),
                );
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be used: {error}"))?
        .with_root_certificates(roots);
    let config = match &address.client_certificate {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let secret = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| format!("could not read a key from `{}`: {error}", key.display()))?;
            config.with_client_auth_cert(chain, secret).map_err(|error| {
                format!("`{}` does not fit `{}`: {error}", key.display(), certificate.display())
            })?
        }
    };
    Ok(MakeRustlsConnect::new(config))
}
