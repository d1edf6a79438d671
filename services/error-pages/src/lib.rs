//! The `error_pages` filter: errors in the words and the looks of the site.
//!
//! ```yaml
//! filters:
//!   - error_pages:
//!       pages:
//!         - { status: [404], html: { file: /etc/headwall/404.html } }
//!         - { status: [5xx], html: { text: "<h1>{status}</h1><p>{message}</p>" } }
//! ```

mod pages;
mod statuses;

pub use pages::{Content, ErrorPages, PageSettings};
pub use statuses::{InvalidStatuses, Statuses};
