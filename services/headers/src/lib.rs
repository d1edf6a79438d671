//! The headers and security_headers filters.
