//! Certificates from an ACME CA (RFC 8555): obtained, renewed and handed over.
//!
//! [`Acme`] is one for each process and storage directory. [`Acme::manage`] takes care of one certificate for as long as
//! its handle lives; [`Acme::challenges`] has the answers that listeners give to a CA. Nothing here opens a listener, and
//! nothing waits for a CA but the certificate's own task.
//!
//! ```no_run
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! use headwall_acme::{Acme, Wanted};
//!
//! let acme = Acme::open("/var/lib/headwall/acme".as_ref())?;
//! let wanted = Wanted { email: Some("ops@example.com".into()), ..Wanted::new(["app.example.com".parse()?]) };
//! let managed = acme.manage(wanted, |issued| println!("until {}", issued.not_after), |event| println!("{event}"));
//! println!("{:?}", managed.status().state);
//! # Ok(()) }
//! ```

mod acme;
mod authority;
mod event;
mod identifier;
mod issued;
mod managed;
mod pace;
mod secret;
mod status;
mod wanted;

mod certificate;
mod challenges;
mod client;
mod dns;
mod error;

mod account;
mod issuance;
mod lock;
mod nonce;
mod preference;
mod renewal;
mod schedule;
mod storage;
mod throttle;

#[cfg(test)]
mod testing;

pub use acme::Acme;
pub use authority::{AccountBinding, Authority, InvalidBinding};
pub use challenges::Challenges;
pub use dns::{DnsCall, DnsHook};
pub use event::{ChallengeKind, Event};
pub use identifier::{Identifier, InvalidIdentifier};
pub use issued::Issued;
pub use managed::Managed;
pub use pace::{Clock, LockPace, Pace, RetrySchedule, SystemClock};
pub use secret::Secret;
pub use status::{State, Status};
pub use storage::StorageError;
pub use wanted::{AllowedChallenges, InvalidWanted, KeyType, Wanted};
