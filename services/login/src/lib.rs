//! What guards an app's own login against guessing.

mod guard;

pub use guard::{AccountField, GuardStore, LoginGuard, Spread};
