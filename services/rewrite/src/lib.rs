//! Two filters for what a request asks for: `rewrite` changes it on the way to the service, `canonical` has the client ask
//! again in the one spelling that the site wants.
//!
//! ```yaml
//! filters:
//!   - canonical: { www: remove, trailing_slash: remove }
//!   - rewrite:
//!       rules: [{ path: "^/user/([0-9]+)$", to: "/users/{1}" }]
//! ```
//!
//! A path that was rewritten is normalised again, so a service sees one spelling as before; one that would climb with `..` is
//! refused.

mod canonical;
mod query;
mod rewrite;

pub use canonical::{Canonical, TrailingSlash, Www};
pub use query::QueryEdit;
pub use rewrite::{Rewrite, Rule};
