//! The rate_limit filter.
