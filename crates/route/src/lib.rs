//! Which rule matches a request.
