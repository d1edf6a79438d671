//! What operators are told: numbers by kind, and one line for each lockout.

use std::net::IpAddr;
use std::time::Duration;

use headwall_core::{BoxError, Build, units};
use prometheus::IntCounter;

use super::store::Kind;

/// The counters of one guard, and the words for its log.
pub(super) struct Report {
    place: String,
    dry_run: bool,
    lockouts: ByKind,
    refusals: ByKind,
    busy: IntCounter,
    /// Attempts that the app has refused.
    pub(super) failed: IntCounter,
    /// Attempts that the app has let in.
    pub(super) succeeded: IntCounter,
    /// Attempts whose answer was neither.
    pub(super) undecided: IntCounter,
    /// Attempts whose body named no account.
    pub(super) unnamed: IntCounter,
    /// What the tables had no room for.
    pub(super) evicted: IntCounter,
    /// Questions that were answered here instead of by Redis.
    pub(super) fallbacks: IntCounter,
}

struct ByKind {
    address: IntCounter,
    account: IntCounter,
    network: IntCounter,
}

/// Who a lockout is for, as far as a log may know it.
pub(super) enum Party<'a> {
    /// The client itself.
    Address,
    /// An account, by a hash that is worth nothing elsewhere.
    Account(&'a str),
    /// A network.
    Network(&'a str),
}

// === impl Report ===

impl Report {
    pub(super) fn new(cx: &Build<'_>, dry_run: bool) -> Result<Self, BoxError> {
        let place = cx.place();
        let suffix = if dry_run { "_dry_run" } else { "" };
        let attempts = cx.metrics().counters(
            "headwall_login_guard_attempts_total",
            "Attempts to log in, by what the app has made of them.",
            &["place", "outcome"],
        )?;
        let lockouts = cx.metrics().counters(
            "headwall_login_guard_lockouts_total",
            "Lockouts that have begun, of an address, an account or a network.",
            &["place", "kind"],
        )?;
        let refusals = cx.metrics().counters(
            "headwall_login_guard_refusals_total",
            "Attempts that were refused, because of a lockout or of too many at once.",
            &["place", "kind"],
        )?;
        let unnamed = cx.metrics().counters(
            "headwall_login_guard_unnamed_total",
            "Attempts whose body named no account where one was looked for.",
            &["place"],
        )?;
        let evicted = cx.metrics().counters(
            "headwall_login_guard_evictions_total",
            "What was forgotten too early, because there was no room for it.",
            &["place"],
        )?;
        let fallbacks = cx.metrics().counters(
            "headwall_login_guard_fallbacks_total",
            "Questions that were answered here, because the Redis that should have answered was not there in time.",
            &["place"],
        )?;
        let by_kind = |family: &prometheus::IntCounterVec| {
            let of = |kind: Kind| family.with_label_values(&[place, &format!("{}{suffix}", kind.word())]);
            ByKind { address: of(Kind::Address), account: of(Kind::Account), network: of(Kind::Network) }
        };
        Ok(Self {
            place: place.to_owned(),
            dry_run,
            lockouts: by_kind(&lockouts),
            busy: refusals.with_label_values(&[place, &format!("busy{suffix}")]),
            refusals: by_kind(&refusals),
            failed: attempts.with_label_values(&[place, "failed"]),
            succeeded: attempts.with_label_values(&[place, "succeeded"]),
            undecided: attempts.with_label_values(&[place, "undecided"]),
            unnamed: unnamed.with_label_values(&[place]),
            evicted: evicted.with_label_values(&[place]),
            fallbacks: fallbacks.with_label_values(&[place]),
        })
    }

    /// An attempt was refused because of a lockout.
    pub(super) fn refused(&self, kind: Kind) {
        self.refusals.of(kind).inc();
    }

    /// An attempt was refused because of others under way.
    pub(super) fn busy(&self) {
        self.busy.inc();
    }

    /// A lockout has begun. It names no account: a log is read by more people than a table of users.
    pub(super) fn locked_out(&self, party: &Party<'_>, client: IpAddr, length: Duration) {
        self.lockouts.of(party.kind()).inc();
        let (place, length) = (&self.place, units::Duration::from(length));
        let dry = if self.dry_run { " (dry run)" } else { "" };
        match party {
            Party::Address => log::warn!("login_guard {place}: {client} is locked out for {length}{dry}"),
            Party::Account(hash) => {
                log::warn!(
                    "login_guard {place}: account {hash} is locked out for {length}, last tried by {client}{dry}"
                );
            }
            Party::Network(network) => {
                log::warn!(
                    "login_guard {place}: {network} is locked out for {length}, last tried by {client}{dry}"
                );
            }
        }
    }
}

impl Party<'_> {
    const fn kind(&self) -> Kind {
        match self {
            Self::Address => Kind::Address,
            Self::Account(_) => Kind::Account,
            Self::Network(_) => Kind::Network,
        }
    }
}

impl ByKind {
    const fn of(&self, kind: Kind) -> &IntCounter {
        match kind {
            Kind::Address => &self.address,
            Kind::Account => &self.account,
            Kind::Network => &self.network,
        }
    }
}
