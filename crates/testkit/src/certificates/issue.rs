//! What can be said about a certificate before it is issued.

use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, SerialNumber, date_time_ymd,
};

use super::{Authority, Identity, new_key};

/// A certificate to be issued, from [`Authority::certificate`].
#[derive(Debug)]
#[must_use = "nothing is issued before `issue`"]
pub struct Issue {
    authority: Authority,
    params: CertificateParams,
    rsa: bool,
}

impl Issue {
    pub(super) fn new(authority: Authority, names: &[&str]) -> Self {
        let owned: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(owned)
            .unwrap_or_else(|error| panic!("{names:?} are no names for a certificate: {error}"));
        params.distinguished_name = DistinguishedName::new();
        if let Some(first) = names.first() {
            params.distinguished_name.push(DnType::CommonName, *first);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, -1, 90);
        Self { authority, params, rsa: false }
    }

    /// Valid from this time on. Certificates have whole seconds. Default: yesterday.
    pub fn not_before(mut self, time: SystemTime) -> Self {
        self.params.not_before = date_time_ymd(1970, 1, 1) + since_epoch(time);
        self
    }

    /// Valid until this time. Certificates have whole seconds. Default: in 90 days.
    pub fn not_after(mut self, time: SystemTime) -> Self {
        self.params.not_after = date_time_ymd(1970, 1, 1) + since_epoch(time);
        self
    }

    /// Valid for 90 days that ended yesterday.
    pub fn expired(mut self) -> Self {
        set_validity(&mut self.params, -91, -1);
        self
    }

    /// Valid for 90 days that begin tomorrow.
    pub fn not_yet_valid(mut self) -> Self {
        set_validity(&mut self.params, 1, 91);
        self
    }

    /// With an RSA key of 2048 bits, which takes a while to make, instead of one on P-256.
    pub fn rsa(mut self) -> Self {
        self.rsa = true;
        self
    }

    /// Issued by an authority below this one, made for it.
    pub fn through_intermediate(mut self) -> Self {
        self.authority = self.authority.intermediate();
        self
    }

    /// For a client with this common name, and no longer for servers.
    pub fn client(self, common_name: &str) -> Self {
        let mut client = self.common_name(common_name);
        client.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        client
    }

    /// With this common name. Default: the first of the names.
    pub fn common_name(self, common_name: &str) -> Self {
        self.subject(DnType::CommonName, common_name)
    }

    /// With this organisation in the subject.
    pub fn organization(self, organization: &str) -> Self {
        self.subject(DnType::OrganizationName, organization)
    }

    /// With this serial number instead of one that belongs to the key.
    pub fn serial(mut self, serial: u64) -> Self {
        self.params.serial_number = Some(SerialNumber::from(serial));
        self
    }

    /// With the demand that the server staples a proof that it was not revoked (RFC 7633).
    pub fn must_staple(mut self) -> Self {
        /// The `status_request` feature, as DER: a sequence of the integer 5.
        const STATUS_REQUEST: [u8; 5] = [0x30, 0x03, 0x02, 0x01, 0x05];
        let extension =
            CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 24], STATUS_REQUEST.to_vec());
        self.params.custom_extensions.push(extension);
        self
    }

    /// Issues it.
    ///
    /// # Panics
    ///
    /// When no key can be made.
    #[must_use]
    pub fn issue(self) -> Identity {
        let key = if self.rsa {
            KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256)
                .unwrap_or_else(|error| panic!("no RSA key could be made: {error}"))
        } else {
            new_key()
        };
        let leaf = self.params.signed_by(&key, &self.authority.issuer);
        let leaf = leaf.unwrap_or_else(|error| panic!("no certificate: {error}"));
        let mut chain = vec![leaf.der().clone()];
        chain.extend(self.authority.above);
        Identity { chain, key: key.serialize_der() }
    }

    fn subject(mut self, part: DnType, value: &str) -> Self {
        self.params.distinguished_name.remove(part.clone());
        self.params.distinguished_name.push(part, value);
        self
    }
}

/// From so many days from now on to so many days from now.
pub(super) fn set_validity(params: &mut CertificateParams, from: i64, to: i64) {
    const DAY: u64 = 24 * 60 * 60;
    let today = since_epoch(SystemTime::now());
    let days_from_now = |days: i64| {
        let distance = Duration::from_secs(days.unsigned_abs() * DAY);
        date_time_ymd(1970, 1, 1) + if days < 0 { today.saturating_sub(distance) } else { today + distance }
    };
    params.not_before = days_from_now(from);
    params.not_after = days_from_now(to);
}

fn since_epoch(time: SystemTime) -> Duration {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs(since.as_secs())
}
