//! The stable names of mistakes. They are part of the interface: scripts and documentation refer to them.

use serde::{Serialize, Serializer};

/// The kind of mistake a [`Diagnostic`](crate::Diagnostic) tells of; its text form is kebab-case and stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// The file is not YAML.
    Syntax,
    /// The file is larger or deeper than the reader allows, which is what alias bombs are.
    TooLarge,
    /// The file says nothing.
    EmptyFile,
    /// A mapping names one key twice.
    DuplicateKey,
    /// A mapping has a key that nobody reads.
    UnknownKey,
    /// A mapping lacks a key that has no default.
    MissingKey,
    /// A value of another type was expected, such as a list.
    WrongType,
    /// A text that its type cannot read, such as `5 minutes-ish` for a duration.
    InvalidValue,
    /// A word that is not among the allowed ones.
    UnknownValue,
    /// A value outside its limits.
    OutOfRange,
    /// `${NAME}` without a value and without a default.
    UnsetVariable,
    /// A filter that is not registered.
    UnknownFilter,
    /// A service that is not registered.
    UnknownService,
    /// A kind of upstream that is not registered.
    UnknownUpstreamKind,
    /// A name that no entry of `upstreams` has.
    UnknownUpstream,
    /// An entry of `filters` that does not name exactly one filter.
    OneFilterPerEntry,
    /// A route without a service.
    NoService,
    /// A route with more than one service.
    SeveralServices,
    /// A match with more than one condition on the path.
    SeveralPathConditions,
    /// No site, so nothing would ever be answered.
    NoSites,
    /// More than one site without hosts.
    SeveralDefaultSites,
    /// One host in two sites.
    DuplicateHost,
    /// Two sites of one name.
    DuplicateSite,
    /// Two routes of one name in a site.
    DuplicateRoute,
    /// Two listeners on one address.
    DuplicateListener,
    /// A site with TLS and no listener for it, or the other way round.
    NoTls,
    /// Certificates that come from nowhere, from several places, or from where they cannot come.
    CertificateSource,
    /// An upstream that nothing names (a warning).
    UnusedUpstream,
    /// A route that no request reaches.
    UnreachableRoute,
    /// A module could not be built from settings that read well.
    Build,
    /// So many errors that the rest is not shown.
    TooManyErrors,
}

impl Code {
    /// Every code, in the order of this documentation.
    pub const ALL: &'static [Self] = &[
        Self::Syntax,
        Self::TooLarge,
        Self::EmptyFile,
        Self::DuplicateKey,
        Self::UnknownKey,
        Self::MissingKey,
        Self::WrongType,
        Self::InvalidValue,
        Self::UnknownValue,
        Self::OutOfRange,
        Self::UnsetVariable,
        Self::UnknownFilter,
        Self::UnknownService,
        Self::UnknownUpstreamKind,
        Self::UnknownUpstream,
        Self::OneFilterPerEntry,
        Self::NoService,
        Self::SeveralServices,
        Self::SeveralPathConditions,
        Self::NoSites,
        Self::SeveralDefaultSites,
        Self::DuplicateHost,
        Self::DuplicateSite,
        Self::DuplicateRoute,
        Self::DuplicateListener,
        Self::NoTls,
        Self::CertificateSource,
        Self::UnusedUpstream,
        Self::UnreachableRoute,
        Self::Build,
        Self::TooManyErrors,
    ];

    /// The text form, such as `unknown-key`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::TooLarge => "too-large",
            Self::EmptyFile => "empty-file",
            Self::DuplicateKey => "duplicate-key",
            Self::UnknownKey => "unknown-key",
            Self::MissingKey => "missing-key",
            Self::WrongType => "wrong-type",
            Self::InvalidValue => "invalid-value",
            Self::UnknownValue => "unknown-value",
            Self::OutOfRange => "out-of-range",
            Self::UnsetVariable => "unset-variable",
            Self::UnknownFilter => "unknown-filter",
            Self::UnknownService => "unknown-service",
            Self::UnknownUpstreamKind => "unknown-upstream-kind",
            Self::UnknownUpstream => "unknown-upstream",
            Self::OneFilterPerEntry => "one-filter-per-entry",
            Self::NoService => "no-service",
            Self::SeveralServices => "several-services",
            Self::SeveralPathConditions => "several-path-conditions",
            Self::NoSites => "no-sites",
            Self::SeveralDefaultSites => "several-default-sites",
            Self::DuplicateHost => "duplicate-host",
            Self::DuplicateSite => "duplicate-site",
            Self::DuplicateRoute => "duplicate-route",
            Self::DuplicateListener => "duplicate-listener",
            Self::NoTls => "no-tls",
            Self::CertificateSource => "certificate-source",
            Self::UnusedUpstream => "unused-upstream",
            Self::UnreachableRoute => "unreachable-route",
            Self::Build => "build",
            Self::TooManyErrors => "too-many-errors",
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
