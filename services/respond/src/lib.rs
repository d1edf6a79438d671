//! The respond and redirect services.
