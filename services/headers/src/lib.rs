//! Two filters for headers: `headers` edits them, `security_headers` is a preset.
//!
//! ```yaml
//! filters:
//!   - security_headers: { x_frame_options: DENY }
//!   - headers: { response: { remove: [Server] } }
//! ```
//!
//! Responses made by Headwall itself pass filters like any other, so what is set here is on error pages too: there is
//! no `always` to forget.

mod edit;
mod security;

pub use edit::{Edit, Headers};
pub use security::SecurityHeaders;
