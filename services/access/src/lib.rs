//! Who may come in.
//!
//! ```yaml
//! filters:
//!   - access: { allow: [10.0.0.0/8] }
//!   - basic_auth: { htpasswd: /etc/headwall/htpasswd }
//! ```
//!
//! | filter | asks for |
//! |---|---|
//! | [`Access`] | an address in a network |
//! | [`BasicAuth`] | a name and a password (RFC 7617) |
//! | [`ApiKey`] | a key |
//! | [`Jwt`] | a signed token (RFC 7519) |
//! | [`SessionToken`] | a token that [`IssueSessionToken`] has signed |
//! | [`ForwardAuth`] | the word of another server |
//! | [`Cors`] | a web page of a known origin |
//!
//! None of them fails open: what cannot be checked is refused. What a client has shown ends here, unless it is asked to
//! be kept, and whoever it turned out to be is told to the upstream in headers that a client cannot write itself.

mod challenge;
mod digest;
mod fetch;
mod place;
mod tally;
mod told;

mod networks;
mod password;

mod basic_auth;

mod api_key;

mod jwt;

mod session;

mod forward_auth;

mod cors;

pub use api_key::ApiKey;
pub use basic_auth::BasicAuth;
pub use cors::Cors;
pub use forward_auth::{AuthServer, ForwardAuth};
pub use jwt::{ClaimCondition, Jwks, Jwt, JwtKey, SignatureAlgorithm};
pub use networks::Access;
pub use password::{Hash, InvalidHash, argon2id, bcrypt};
pub use place::TokenPlace;
pub use session::{IssueSessionToken, SessionToken};
