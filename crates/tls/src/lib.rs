//! Certificates and TLS settings: which identity answers for which name.
