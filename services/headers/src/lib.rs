//! Three filters for headers: `headers` edits them, `security_headers` is a preset, and `early_hints` tells browsers what a page
//! needs.
//!
//! ```yaml
//! filters:
//!   - security_headers: { x_frame_options: DENY }
//!   - headers:
//!       request: { set: { X-Tls: "{tls.version}" } }
//!       response: { remove: [Server] }
//!       cookies: [{ secure: true, http_only: true, same_site: lax }]
//! ```
//!
//! Responses made by Headwall itself pass filters like any other, so what is set here is on error pages too: there is
//! no `always` to forget.

mod cookies;
mod edit;
mod hints;
mod link;
mod prepared;
mod security;

pub use cookies::CookieRule;
pub use edit::{Headers, Replace, RequestEdit, ResponseEdit};
pub use hints::EarlyHints;
pub use link::{InvalidLink, Link};
pub use security::SecurityHeaders;
