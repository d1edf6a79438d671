//! Certificates for tests: an authority that is made in the test, and what it issues.
//!
//! Nothing here is a secret and nothing is installed anywhere: an authority is trusted by whom the test hands it to.

mod certificate;
mod issue;

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

pub use self::certificate::Certificate;
pub use self::issue::Issue;
use self::issue::set_validity;

/// A certificate authority of the test's own. Clones are the same authority.
///
/// ```
/// use headwall_testkit::Authority;
///
/// let authority = Authority::new();
/// let identity = authority.issue(&["app.example.com", "127.0.0.1"]);
/// let expired = authority.certificate(&["app.example.com"]).expired().issue();
///
/// let dir = tempfile::tempdir().unwrap();
/// let (chain, key) = identity.write(dir.path());
/// assert!(chain.ends_with("fullchain.pem") && key.ends_with("privkey.pem"));
/// assert_ne!(identity.certificate().serial(), expired.certificate().serial());
/// ```
#[derive(Clone)]
pub struct Authority {
    issuer: Arc<Issuer<'static, KeyPair>>,
    root: CertificateDer<'static>,
    /// What goes after a leaf: the authority's own certificate and those above it, without the root.
    above: Vec<CertificateDer<'static>>,
}

/// A certificate, what goes after it in a handshake, and its key.
#[derive(Clone)]
pub struct Identity {
    /// The leaf first.
    chain: Vec<CertificateDer<'static>>,
    /// PKCS #8.
    key: Vec<u8>,
}

// === impl Authority ===

impl Authority {
    /// A root with a key of its own (P-256), valid for ten years. No two have the same name.
    ///
    /// # Panics
    ///
    /// When no key can be made.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "each is another authority, which no default should be")]
    pub fn new() -> Self {
        let key = new_key();
        let params = authority_params("Headwall test root", &key);
        let root = params.self_signed(&key).unwrap_or_else(|error| panic!("no root certificate: {error}"));
        let root = root.der().clone();
        Self { issuer: Arc::new(Issuer::new(params, key)), root, above: Vec::new() }
    }

    /// An authority below this one: what it issues has its certificate in the chain.
    ///
    /// # Panics
    ///
    /// When no key can be made.
    #[must_use]
    pub fn intermediate(&self) -> Self {
        let key = new_key();
        let params = authority_params("Headwall test intermediate", &key);
        let own = params.signed_by(&key, &self.issuer);
        let own = own.unwrap_or_else(|error| panic!("no intermediate certificate: {error}"));
        let mut above = vec![own.der().clone()];
        above.extend_from_slice(&self.above);
        Self { issuer: Arc::new(Issuer::new(params, key)), root: self.root.clone(), above }
    }

    /// An identity for these host names and addresses, `*.` names included: P-256, valid since yesterday and for 90
    /// days.
    ///
    /// # Panics
    ///
    /// When one of `names` is none that a certificate can have.
    #[must_use]
    pub fn issue(&self, names: &[&str]) -> Identity {
        self.certificate(names).issue()
    }

    /// As [`Authority::issue`], with more to say about it first.
    ///
    /// # Panics
    ///
    /// When one of `names` is none that a certificate can have.
    pub fn certificate(&self, names: &[&str]) -> Issue {
        Issue::new(self.clone(), names)
    }

    /// The identity of a client with this common name: what an origin or a listener asks for that wants to know its
    /// clients.
    #[must_use]
    pub fn issue_client(&self, common_name: &str) -> Identity {
        self.certificate(&[]).client(common_name).issue()
    }

    /// The root's certificate as PEM: a CA bundle.
    #[must_use]
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", &self.root)
    }

    /// Writes the root's certificate as `ca.pem`, and returns its path.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn write(&self, dir: &Path) -> PathBuf {
        write(dir, "ca.pem", &self.pem(), 0o644)
    }

    /// The root, as rustls wants to have it.
    ///
    /// # Panics
    ///
    /// When rustls does not take it.
    #[must_use]
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap_or_else(|error| panic!("the root is not taken: {error}"));
        roots
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Authority").field(&Certificate::new(self.root.clone()).subject()).finish()
    }
}

// === impl Identity ===

impl Identity {
    /// The certificate itself, without what goes after it.
    #[must_use]
    pub fn certificate(&self) -> Certificate {
        Certificate::new(self.chain[0].clone())
    }

    /// The certificate and what goes after it, as certbot has it in `fullchain.pem`.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(|der| pem("CERTIFICATE", der)).collect()
    }

    /// The key, as certbot has it in `privkey.pem`.
    #[must_use]
    pub fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.key)
    }

    /// The key and the chain in one text, as HAProxy wants to have them.
    #[must_use]
    pub fn pem(&self) -> String {
        self.key_pem() + &self.chain_pem()
    }

    /// The chain, the leaf first.
    #[must_use]
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.clone()
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }

    /// The same without what goes after the leaf: the mistake of who serves `cert.pem` and not `fullchain.pem`.
    #[must_use]
    pub fn without_chain(&self) -> Self {
        Self { chain: vec![self.chain[0].clone()], key: self.key.clone() }
    }

    /// This chain with the key of another one, which does not fit.
    #[must_use]
    pub fn with_key_of(&self, other: &Self) -> Self {
        Self { chain: self.chain.clone(), key: other.key.clone() }
    }

    /// Writes `fullchain.pem` and `privkey.pem`, the key for its owner alone, and returns the two paths.
    ///
    /// Each file is replaced as a whole, the key first, so that writing into the directory of another identity is a
    /// renewal as certbot makes it: for a moment key and chain do not fit.
    ///
    /// # Panics
    ///
    /// When they cannot be written.
    pub fn write(&self, dir: &Path) -> (PathBuf, PathBuf) {
        let key = write(dir, "privkey.pem", &self.key_pem(), 0o600);
        (write(dir, "fullchain.pem", &self.chain_pem(), 0o644), key)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Identity").field(&self.certificate()).finish()
    }
}

fn new_key() -> KeyPair {
    KeyPair::generate().unwrap_or_else(|error| panic!("no key could be made: {error}"))
}

fn authority_params(name: &str, key: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    // Two authorities of one name would be told apart by their signatures only, and errors would blame those.
    let tail: String = key.public_key_raw().iter().rev().take(4).map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("{name} {tail}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, -1, 3650);
    params
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in base64.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

/// Beside the place first and then moved there, so that nobody reads half a file.
fn write(dir: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
    let (path, beside) = (dir.join(name), dir.join(format!(".{name}.new")));
    let written = || {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(mode).open(&beside)?;
        // The mode of `open` is narrowed by the umask and ignored for a file that is there already.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())?;
        fs::rename(&beside, &path)
    };
    written().unwrap_or_else(|error| panic!("could not write {}: {error}", path.display()));
    path
}

#[cfg(test)]
mod tests;
