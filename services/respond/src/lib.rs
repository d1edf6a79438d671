//! Two services that answer by themselves: `respond` and `redirect`.
//!
//! ```yaml
//! routes:
//!   - match: { path: /ping }
//!     respond: { body: pong }
//!   - redirect: { to: "https://{host}{uri}" }
//! ```

mod redirect;
mod respond;

pub use redirect::Redirect;
pub use respond::Respond;
