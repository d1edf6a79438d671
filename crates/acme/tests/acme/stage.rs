//! What most tests begin with, and what they look at in the end.

use headwall_acme::{Authority, Wanted};
use tempfile::TempDir;

use headwall_testkit::Pebble;

/// Pebble as an authority.
pub(crate) fn authority(pebble: &Pebble) -> Authority {
    Authority { root: Some(pebble.root_pem_path()), ..Authority::directory(pebble.directory()) }
}

/// A certificate from Pebble.
pub(crate) fn wanted(pebble: &Pebble, names: &[&str]) -> Wanted {
    Wanted {
        email: Some("ops@example.com".to_owned()),
        authorities: vec![authority(pebble)],
        ..Wanted::new(names.iter().map(|name| name.parse().unwrap()))
    }
}

/// A directory for a storage.
pub(crate) fn storage() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Whether the chain leads to a root, as a browser would have it.
pub(crate) fn assert_trusted(chain: &str, root: &str, name: &str) {
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, UnixTime};
    use std::sync::Arc;

    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes()).map(Result::unwrap).collect();
    let name = name.to_owned().try_into().unwrap();
    verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], UnixTime::now()).unwrap();
}

/// How many files a directory of the storage has.
pub(crate) fn entries(storage: &TempDir, dir: &str) -> usize {
    std::fs::read_dir(storage.path().join(dir)).map_or(0, Iterator::count)
}

/// The first file of a directory of the storage.
pub(crate) fn first_entry(storage: &TempDir, dir: &str) -> String {
    let mut entries = std::fs::read_dir(storage.path().join(dir)).unwrap();
    entries.next().unwrap().unwrap().file_name().into_string().unwrap()
}
