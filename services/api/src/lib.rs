//! The api service: forward requests to an upstream.
