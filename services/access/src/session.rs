//! Session tokens: the `session_token` service hands them out, and the filter of the same name asks for one.
//!
//! ```yaml
//! routes:
//!   - match: { path: /api/session, methods: [POST] }
//!     filters: [{ basic_auth: { htpasswd: /etc/headwall/htpasswd } }]
//!     session_token: { key: "${SESSION_KEY:-only-for-tests-0123456789abcdefghi}" }
//!   - match: { path: /ws }
//!     filters: [{ session_token: { key: "${SESSION_KEY:-only-for-tests-0123456789abcdefghi}" } }]
//!     websocket: { upstream: app }
//! ```
//!
//! A browser cannot set a header on a WebSocket's handshake. It can send a cookie, put a token into the query, or offer a
//! subprotocol; the filter reads all three, and takes the token out before the application sees the handshake. The two
//! share nothing but the key: a token carries its expiry and whom it was given to, so there is no table of sessions.

mod check;
mod issue;
mod token;

pub use check::SessionToken;
pub use issue::IssueSessionToken;
