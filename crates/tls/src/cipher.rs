//! Cipher suites by the names that people know: OpenSSL's and IANA's.
//!
//! A list that was written for OpenSSL also names what is not there any more (CBC, static RSA, finite-field
//! Diffie-Hellman) and says what it does not want. Both are understood: what is not there is passed over, as OpenSSL
//! does with what it was built without.

use std::str::FromStr;

use rustls::{CipherSuite, SupportedCipherSuite};

/// The suites that there are: OpenSSL's name, IANA's name, the suite.
const SUITES: [(&str, &str, CipherSuite); 9] = [
    ("TLS_AES_256_GCM_SHA384", "TLS13_AES_256_GCM_SHA384", CipherSuite::TLS13_AES_256_GCM_SHA384),
    ("TLS_AES_128_GCM_SHA256", "TLS13_AES_128_GCM_SHA256", CipherSuite::TLS13_AES_128_GCM_SHA256),
    (
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS13_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-RSA-AES256-GCM-SHA384",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-RSA-AES128-GCM-SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-RSA-CHACHA20-POLY1305",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
];

/// Names that stand for every suite that there is: all of them are strong.
const EVERYTHING: [&str; 4] = ["DEFAULT", "HIGH", "ALL", "SECURE"];

/// How the names of suites begin that are not there any more, and nobody can have meant another by them.
const RETIRED: [&str; 12] =
    ["DHE-", "EDH-", "ADH", "AECDH", "RC4", "DES-", "PSK", "SRP", "CAMELLIA", "SEED", "AES128-", "AES256-"];

/// Parts of the names of other suites, and of groups of suites, that are not there any more.
const RETIRED_PARTS: [&str; 10] =
    ["-SHA", "CBC", "3DES", "MD5", "NULL", "EXP", "LOW", "MEDIUM", "EDH+", "SHA1"];

/// Which suites a site agrees to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuiteList(Vec<CipherSuite>);

/// Why a list of suites was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCiphers {
    /// A name that is no suite's, and never was.
    #[error("expected cipher suites such as `ECDHE-ECDSA-AES128-GCM-SHA256`, was `{written}`{}",
        meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default())]
    Unknown {
        /// What was written.
        written: String,
        /// What looks like it.
        meant: Option<&'static str>,
    },
    /// Nothing of what is listed is there.
    #[error(
        "none of these cipher suites is there any more; use `ECDHE-…` suites with GCM or CHACHA20, or leave the list out"
    )]
    Nothing,
}

impl SuiteList {
    /// Those of a provider that are on the list. A list that says nothing of TLS 1.3 leaves TLS 1.3 as it is, as in
    /// OpenSSL, where they are two lists.
    pub(crate) fn select(&self, provided: &[SupportedCipherSuite]) -> Vec<SupportedCipherSuite> {
        let speaks_of_13 = self.0.iter().any(|suite| is_13(*suite));
        provided
            .iter()
            .filter(|suite| {
                let suite = suite.suite();
                self.0.contains(&suite) || (is_13(suite) && !speaks_of_13)
            })
            .copied()
            .collect()
    }
}

impl FromStr for SuiteList {
    type Err = InvalidCiphers;

    /// Reads names with colons, commas or spaces between them.
    fn from_str(text: &str) -> Result<Self, InvalidCiphers> {
        let mut suites: Vec<CipherSuite> = Vec::new();
        for word in text.split([':', ',', ' ']).filter(|word| !word.is_empty()) {
            let (unwanted, name) = match word.strip_prefix(['!', '-']) {
                Some(name) => (true, name),
                None => (false, word.trim_start_matches('+')),
            };
            let found = find(name)?;
            suites.retain(|suite| !found.contains(suite));
            if !unwanted {
                suites.extend(found);
            }
        }
        if suites.is_empty() { Err(InvalidCiphers::Nothing) } else { Ok(Self(suites)) }
    }
}

/// The suites that a name stands for; none when they are not there any more.
fn find(name: &str) -> Result<Vec<CipherSuite>, InvalidCiphers> {
    if EVERYTHING.contains(&name) || name.starts_with('@') {
        return Ok(SUITES.iter().map(|(.., suite)| *suite).filter(|suite| !is_13(*suite)).collect());
    }
    let exact = SUITES.iter().find(|(openssl, iana, _)| *openssl == name || *iana == name);
    if let Some((.., suite)) = exact {
        return Ok(vec![*suite]);
    }
    if RETIRED.iter().any(|start| name.starts_with(start)) {
        return Ok(Vec::new());
    }
    // `EECDH+AESGCM` and the like: every part has to be there.
    if name.contains('+')
        || ["EECDH", "ECDHE", "kEECDH", "AESGCM", "CHACHA20", "aECDSA", "aRSA"].contains(&name)
    {
        let has = |suite: &str, part: &str| match part {
            "EECDH" | "ECDHE" | "kEECDH" | "ECDH" => suite.starts_with("ECDHE"),
            "AESGCM" => suite.contains("GCM"),
            "aRSA" | "RSA" => suite.contains("-RSA-"),
            "aECDSA" | "ECDSA" => suite.contains("-ECDSA-"),
            part => suite.contains(part),
        };
        let fits =
            |(openssl, ..): &&(&str, &str, CipherSuite)| name.split('+').all(|part| has(openssl, part));
        return Ok(SUITES.iter().filter(fits).map(|(.., suite)| *suite).collect());
    }
    let nearest = SUITES
        .iter()
        .map(|(openssl, ..)| (strsim::damerau_levenshtein(openssl, name), *openssl))
        .min_by_key(|(distance, _)| *distance);
    if let Some((1..=2, meant)) = nearest {
        return Err(InvalidCiphers::Unknown { written: name.to_owned(), meant: Some(meant) });
    }
    if RETIRED_PARTS.iter().any(|part| name.contains(part)) {
        return Ok(Vec::new());
    }
    Err(InvalidCiphers::Unknown { written: name.to_owned(), meant: None })
}

fn is_13(suite: CipherSuite) -> bool {
    matches!(
        suite,
        CipherSuite::TLS13_AES_256_GCM_SHA384
            | CipherSuite::TLS13_AES_128_GCM_SHA256
            | CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider;

    fn selected(text: &str) -> Result<Vec<String>, String> {
        let list: SuiteList = text.parse().map_err(|error: InvalidCiphers| error.to_string())?;
        let suites = list.select(&provider().cipher_suites);
        Ok(suites.iter().map(|suite| format!("{:?}", suite.suite())).collect())
    }

    #[test]
    fn the_guides_lists_are_understood() {
        let list = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
                    ECDHE-RSA-AES256-GCM-SHA384";
        let suites = selected(list).unwrap();
        assert_eq!(suites.iter().filter(|suite| suite.starts_with("TLS13")).count(), 3, "TLS 1.3 stays");
        assert_eq!(suites.iter().filter(|suite| suite.contains("GCM") && !suite.contains("13")).count(), 4);
        assert!(!suites.iter().any(|suite| suite.contains("ECDHE") && suite.contains("CHACHA")));
        assert_eq!(selected("HIGH:!aNULL:!MD5").unwrap().len(), 9);
    }

    #[test]
    fn lists_select_what_they_name() {
        let rows = [
            ("TLS_AES_128_GCM_SHA256", 1, "a TLS 1.3 suite alone"),
            ("ECDHE-RSA-AES128-GCM-SHA256 ECDHE-RSA-AES256-SHA384", 4, "what is retired is passed over"),
            ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", 4, "IANA's name"),
            ("HIGH:!ECDHE-RSA-CHACHA20-POLY1305", 8, "one taken out"),
            ("EECDH+AESGCM:EDH+AESGCM", 7, "OpenSSL's short hand"),
            ("EECDH+CHACHA20", 5, "another"),
            (
                "DHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256",
                4,
                "finite-field Diffie-Hellman is gone",
            ),
        ];
        for (text, count, row) in rows {
            assert_eq!(selected(text).map(|suites| suites.len()), Ok(count), "{row}: {:?}", selected(text));
        }
    }

    #[test]
    fn slips_are_refused_with_a_suggestion() {
        let rows = [
            ("ECDHE-ECDSA-AES128-GCM-SHA265", "did you mean `ECDHE-ECDSA-AES128-GCM-SHA256`"),
            ("modern", "was `modern`"),
            ("AES128-SHA:DES-CBC3-SHA", "none of these"),
            ("", "none of these"),
        ];
        for (text, expected) in rows {
            let error = selected(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
