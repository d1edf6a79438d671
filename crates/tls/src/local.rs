//! An authority of one's own, for names that no public one signs: `localhost`, `*.internal`, addresses.
//!
//! Its root is made once and kept in a directory; whoever trusts the root (`headwall trust`) trusts every name here.
//! Leaves are made when somebody asks for a name, are good for a week and are never stored.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lru::LruCache;
use parking_lot::Mutex;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::crypto::CryptoProvider;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::name::address_of;
use crate::{Identity, InvalidIdentity};

/// How long the root counts.
const ROOT: Duration = Duration::from_secs(3650 * 24 * 3600);
/// How long a leaf counts.
const LEAF: Duration = Duration::from_secs(7 * 24 * 3600);
/// A leaf that has less than this to go is made anew.
const RENEW: Duration = Duration::from_secs(2 * 24 * 3600);
/// Clocks of clients may be behind.
const BEFORE: Duration = Duration::from_secs(3600);
/// How many leaves are kept. Names come from clients where a site has no hosts of its own.
const LEAVES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);

/// Signs for names that are nobody else's.
pub struct LocalAuthority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    root_path: PathBuf,
    /// Its name as that of a file, to be told from others in a trust store.
    name: String,
    provider: Arc<CryptoProvider>,
    leaves: Mutex<LruCache<String, Arc<Identity>>>,
}

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
pub enum InvalidLocalAuthority {
    /// Its directory or one of its files.
    #[error("{}: {source}", path.display())]
    Storage {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is stored is no root.
    #[error("{}: not the root of a local authority: {why}; remove it and its key to have new ones made", path.display())]
    Root {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

impl LocalAuthority {
    /// The authority that lives in a directory. It is made if there is none; of several processes that do so at the same
    /// time, one wins and the others take what it has made.
    pub fn open(dir: &Path, provider: Arc<CryptoProvider>) -> Result<Self, InvalidLocalAuthority> {
        let (root_path, key_path) = (dir.join("root.pem"), dir.join("root.key"));
        let storage = |path: &Path| {
            let path = path.to_owned();
            move |source| InvalidLocalAuthority::Storage { path, source }
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(storage(dir))?;
        if !root_path.exists() {
            make(&root_path, &key_path).map_err(storage(&root_path))?;
        }
        let invalid = |why: String| InvalidLocalAuthority::Root { path: root_path.clone(), why };
        let key = fs::read_to_string(&key_path).map_err(storage(&key_path))?;
        let key = KeyPair::from_pem(&key).map_err(|error| invalid(error.to_string()))?;
        let pem = fs::read(&root_path).map_err(storage(&root_path))?;
        let root = CertificateDer::from_pem_slice(&pem).map_err(|error| invalid(error.to_string()))?;
        let (_, parsed) = X509Certificate::from_der(&root).map_err(|error| invalid(error.to_string()))?;
        let name = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
        let name = name.ok_or_else(|| invalid("it has no name".to_owned()))?;
        if parsed.public_key().subject_public_key.data != key.public_key_raw() {
            return Err(invalid("its key is another".to_owned()));
        }
        if parsed.validity().not_after.timestamp() < seconds(SystemTime::now()) {
            return Err(invalid("it has expired".to_owned()));
        }
        // Name and key are all that a leaf takes over from its issuer.
        let issuer = Issuer::new(root_params(name), key);
        let name = name.to_lowercase().replace(' ', "-");
        let leaves = Mutex::new(LruCache::new(LEAVES));
        Ok(Self { issuer, root, root_path, name, provider, leaves })
    }

    /// The file with the root, for whoever is to trust it.
    pub fn root_path(&self) -> &Path {
        &self.root_path
    }

    /// Its name, which no other authority has, fit for a file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The identity for a host, made if there is none.
    pub fn identity(&self, host: &str) -> Result<Arc<Identity>, InvalidIdentity> {
        let now = SystemTime::now();
        if let Some(known) = self.leaves.lock().get(host)
            && known.is_valid_at(now + RENEW)
        {
            return Ok(known.clone());
        }
        let made = Arc::new(self.make_leaf(host, now)?);
        self.leaves.lock().put(host.to_owned(), made.clone());
        Ok(made)
    }

    fn make_leaf(&self, host: &str, now: SystemTime) -> Result<Identity, InvalidIdentity> {
        let failed = |error: rcgen::Error| InvalidIdentity::Certificate(error.to_string());
        let bare = address_of(host).map_or_else(|| host.to_owned(), |address| address.to_string());
        let mut params = CertificateParams::new(vec![bare]).map_err(failed)?;
        params.distinguished_name = DistinguishedName::new();
        (params.not_before, params.not_after) = ((now - BEFORE).into(), (now + LEAF).into());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(failed)?;
        let leaf = params.signed_by(&key, &self.issuer).map_err(failed)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Identity::new(vec![leaf.der().clone(), self.root.clone()], key, &self.provider)
    }
}

impl std::fmt::Debug for LocalAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalAuthority").field("root_path", &self.root_path).finish_non_exhaustive()
    }
}

fn root_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Makes a root. The key is there before the certificate, under a name that only one process can take, so that whoever
/// sees a certificate sees the key that belongs to it.
fn make(root_path: &Path, key_path: &Path) -> io::Result<()> {
    let key = KeyPair::generate().map_err(io::Error::other)?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(key_path) {
        Ok(mut file) => {
            file.write_all(key.serialize_pem().as_bytes())?;
            file.sync_all()?;
        }
        // Somebody else is making one, or has stopped half-way.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return finish(root_path, key_path),
        Err(error) => return Err(error),
    }
    finish(root_path, key_path)
}

/// Signs the root with the key that is there. Two processes that do so make two certificates for one key, of which the
/// first stays.
fn finish(root_path: &Path, key_path: &Path) -> io::Result<()> {
    let key = KeyPair::from_pem(&fs::read_to_string(key_path)?).map_err(io::Error::other)?;
    let now = SystemTime::now();
    // Roots of several machines stand beside each other in a trust store: the key tells them apart.
    let tag: String = key.public_key_raw().iter().skip(1).take(4).map(|byte| format!("{byte:02x}")).collect();
    let mut params = root_params(&format!("Headwall local authority {tag}"));
    (params.not_before, params.not_after) = ((now - BEFORE).into(), (now + ROOT).into());
    let root = params.self_signed(&key).map_err(io::Error::other)?;
    let draft = root_path.with_extension(format!("{}.draft", std::process::id()));
    fs::write(&draft, root.pem())?;
    let linked = fs::hard_link(&draft, root_path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_root_is_made_once_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("local");
        let first = LocalAuthority::open(&path, provider()).unwrap();
        let again = LocalAuthority::open(&path, provider()).unwrap();
        assert_eq!(first.root, again.root);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join("root.key"))), (0o700, 0o600));
    }

    #[test]
    fn one_that_was_stopped_half_way_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        LocalAuthority::open(dir.path(), provider()).unwrap();
        fs::remove_file(dir.path().join("root.pem")).unwrap();
        let authority = LocalAuthority::open(dir.path(), provider()).unwrap();
        assert!(authority.identity("localhost").unwrap().covers("localhost"));
    }

    #[test]
    fn leaves_are_signed_by_the_root_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let authority = LocalAuthority::open(dir.path(), provider()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.root.clone()).unwrap();
        let verifier =
            rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
        let verifier = verifier.build().unwrap();
        for host in ["localhost", "app.internal", "127.0.0.1", "[::1]"] {
            let identity = authority.identity(host).unwrap();
            assert!(identity.covers(host), "{host}");
            let chain = &identity.certified_key().cert;
            let name = host.trim_matches(['[', ']']).to_owned().try_into().unwrap();
            use rustls::client::danger::ServerCertVerifier as _;
            let now = rustls_pki_types::UnixTime::now();
            verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], now).expect(host);
        }
        let (once, twice) =
            (authority.identity("localhost").unwrap(), authority.identity("localhost").unwrap());
        assert!(Arc::ptr_eq(&once, &twice));
    }

    #[test]
    fn a_root_with_another_key_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        LocalAuthority::open(dir.path(), provider()).unwrap();
        fs::write(dir.path().join("root.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
        let error = LocalAuthority::open(dir.path(), provider()).unwrap_err().to_string();
        assert!(error.contains("root.pem") && error.contains("another"), "{error}");
    }
}
