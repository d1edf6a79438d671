//! Temporary.
mod documents;
mod tidy;
