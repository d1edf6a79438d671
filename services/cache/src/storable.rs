//! Whether an answer may be kept, and under which rules it is given again (RFC 9111, 3).

use std::time::Duration;

use http::header::{CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, SET_COOKIE};
use http::{HeaderMap, HeaderName, StatusCode};

use crate::directives::{Directives, Scope};
use crate::freshness::{Freshness, Timing};
use crate::vary::Vary;

/// What the config says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Terms {
    /// For how long an answer is good that says nothing about it.
    pub(crate) ttl: Option<Duration>,
    /// Answers do not depend on who asks.
    pub(crate) ignore_credentials: bool,
    /// Answers are kept without their cookies.
    pub(crate) ignore_set_cookie: bool,
    /// What is allowed where an answer says nothing about it.
    pub(crate) stale_while_revalidate: Duration,
    pub(crate) stale_if_error: Duration,
    /// Headers of the request that an answer depends on, whatever it says.
    pub(crate) key_headers: Vec<HeaderName>,
}

/// An answer that may be kept.
#[derive(Debug)]
pub(crate) struct Storable {
    pub(crate) freshness: Freshness,
    pub(crate) rules: Rules,
    /// The headers of the request that it depends on.
    pub(crate) vary: Vec<HeaderName>,
    /// What is not kept of its head.
    pub(crate) without: Vec<HeaderName>,
}

/// How an answer may be given again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Not without asking, however fresh.
    pub(crate) ask_always: bool,
    /// For everybody, whoever asks.
    pub(crate) is_shared: bool,
    /// For how long beyond its time it may be given while a new one is fetched.
    pub(crate) stale_while_revalidate: Duration,
    /// The same when there is none to be had.
    pub(crate) stale_if_error: Duration,
}

/// The answers that are kept: those that say a thing about what was asked for. A redirect is kept when it says for how long
/// it is good, as everything is; an error of the server only if it says that it will stay one.
const KEPT: [u16; 14] = [200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 501];

/// Whether an answer may be kept; the words say why not.
pub(crate) fn judge(
    status: StatusCode,
    headers: &HeaderMap,
    is_personal: bool,
    terms: &Terms,
    timing: &Timing,
) -> Result<Storable, &'static str> {
    let directives = Directives::of_answer(headers);
    if !KEPT.contains(&status.as_u16()) || headers.contains_key(CONTENT_RANGE) {
        return Err("status");
    }
    // `must-understand` lets `no-store` be ignored (RFC 9111, 5.2.2.3). Nothing is lost by not doing so.
    if directives.no_store {
        return Err("no-store");
    }
    if directives.private == Scope::All {
        return Err("private");
    }
    let is_shared = directives.public || directives.s_maxage.is_some() || directives.must_revalidate;
    if is_personal && !is_shared && !terms.ignore_credentials {
        return Err("credentials");
    }
    if headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
        return Err("stream");
    }
    let mut without: Vec<_> = directives.no_cache.fields().to_vec();
    without.extend_from_slice(directives.private.fields());
    if headers.contains_key(SET_COOKIE) && !without.contains(&SET_COOKIE) {
        if !terms.ignore_set_cookie {
            return Err("set-cookie");
        }
        without.push(SET_COOKIE);
    }
    let Vary::On(vary) = Vary::of(headers, &terms.key_headers) else {
        return Err("vary");
    };
    let ask_always = directives.no_cache == Scope::All;
    let has_validator = headers.contains_key(ETAG) || headers.contains_key(LAST_MODIFIED);
    let freshness = match Freshness::of(headers, &directives, terms.ttl, timing) {
        Some(freshness) => freshness,
        // It says that it may be kept, and that each use has to be asked about.
        None if ask_always => Freshness::none(headers, timing),
        None => return Err("no-freshness"),
    };
    // `s-maxage` forbids stale answers like `proxy-revalidate` (RFC 9111, 5.2.2.10).
    let never_stale = ask_always || directives.must_revalidate || directives.s_maxage.is_some();
    let beyond = |said: Option<Duration>, otherwise| match said {
        _ if never_stale => Duration::ZERO,
        Some(said) => said,
        None => otherwise,
    };
    let rules = Rules {
        ask_always,
        is_shared: is_shared || terms.ignore_credentials,
        stale_while_revalidate: beyond(directives.stale_while_revalidate, terms.stale_while_revalidate),
        stale_if_error: beyond(directives.stale_if_error, terms.stale_if_error),
    };
    let is_of_use = (freshness.left(timing.answered).is_ok() && !ask_always)
        || has_validator
        || rules.stale_while_revalidate.max(rules.stale_if_error) > Duration::ZERO;
    if !is_of_use {
        return Err("stale");
    }
    Ok(Storable { freshness, rules, vary, without })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &[(&str, &str)]) -> HeaderMap {
        let pair =
            |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        lines.iter().map(pair).collect()
    }

    fn judged(
        status: u16,
        lines: &[(&str, &str)],
        is_personal: bool,
        terms: &Terms,
    ) -> Result<Storable, &'static str> {
        let status = StatusCode::from_u16(status).unwrap();
        judge(status, &head(lines), is_personal, terms, &Timing::begin().end())
    }

    #[test]
    fn nothing_is_kept_that_may_not_be() {
        const MAX_AGE: (&str, &str) = ("cache-control", "max-age=60");
        let (cookie, etag) = (("set-cookie", "a=1"), ("etag", "\"a\""));
        type Head<'a> = &'a [(&'a str, &'a str)];
        type Row<'a> = (u16, Head<'a>, bool, Result<(), &'a str>, &'a str);
        let rows: [Row<'_>; 30] = [
            (200, &[MAX_AGE], false, Ok(()), "the usual"),
            (200, &[], false, Err("no-freshness"), "heuristics are off"),
            (200, &[etag], false, Err("no-freshness"), "a validator alone says nothing"),
            (200, &[("cache-control", "no-store, max-age=60")], false, Err("no-store"), "RFC 9111, 5.2.2.5"),
            (200, &[("cache-control", "private, max-age=60")], false, Err("private"), "5.2.2.7"),
            (
                200,
                &[("cache-control", "private=\"x-user\", max-age=60")],
                false,
                Ok(()),
                "all but that field",
            ),
            (200, &[("cache-control", "max-age=0")], false, Err("stale"), "of no use"),
            (200, &[("cache-control", "max-age=0"), etag], false, Ok(()), "to be asked about"),
            (200, &[("cache-control", "no-cache")], false, Err("stale"), "cannot even be asked about"),
            (200, &[("cache-control", "no-cache"), etag], false, Ok(()), "5.2.2.4"),
            (200, &[("cache-control", "no-cache, max-age=60")], false, Err("stale"), "however fresh"),
            (200, &[("cache-control", "max-age=0, stale-if-error=9")], false, Ok(()), "for bad times"),
            (200, &[MAX_AGE], true, Err("credentials"), "3.5"),
            (200, &[("cache-control", "public, max-age=60")], true, Ok(()), "3.5: public"),
            (200, &[("cache-control", "s-maxage=60")], true, Ok(()), "3.5: s-maxage"),
            (200, &[("cache-control", "must-revalidate, max-age=60")], true, Ok(()), "3.5: must-revalidate"),
            (200, &[MAX_AGE, cookie], false, Err("set-cookie"), "a cookie is somebody's"),
            (200, &[("cache-control", "public, max-age=60"), cookie], false, Err("set-cookie"), "even then"),
            (
                200,
                &[("cache-control", "no-cache=\"Set-Cookie\", max-age=60"), cookie],
                false,
                Ok(()),
                "without it",
            ),
            (200, &[MAX_AGE, ("vary", "*")], false, Err("vary"), "4.1"),
            (200, &[MAX_AGE, ("vary", "Accept")], false, Ok(()), "4.1"),
            (200, &[MAX_AGE, ("content-type", "text/event-stream")], false, Err("stream"), "it never ends"),
            (206, &[MAX_AGE, ("content-range", "bytes 0-1/2")], false, Err("status"), "3.3"),
            (404, &[MAX_AGE], false, Ok(()), "not there, and for how long"),
            (404, &[], false, Err("no-freshness"), "not there, now"),
            (301, &[MAX_AGE], false, Ok(()), "moved"),
            (500, &[MAX_AGE], false, Err("status"), "an accident"),
            (503, &[MAX_AGE], false, Err("status"), "an accident"),
            (401, &[MAX_AGE], false, Err("status"), "about somebody"),
            (304, &[MAX_AGE], false, Err("status"), "an answer to another question"),
        ];
        for (status, lines, is_personal, expected, row) in rows {
            let found = judged(status, lines, is_personal, &Terms::default()).map(drop);
            assert_eq!(found, expected, "{row}: {status} {lines:?}");
        }
    }

    #[test]
    fn the_config_may_say_more() {
        let terms = Terms {
            ttl: Some(Duration::from_secs(5)),
            ignore_credentials: true,
            ignore_set_cookie: true,
            ..Terms::default()
        };
        let kept = judged(200, &[("set-cookie", "a=1")], true, &terms).unwrap();
        assert_eq!(kept.without, [SET_COOKIE]);
        assert!(kept.rules.is_shared, "for everybody");
        assert!(
            judged(200, &[("cache-control", "no-store")], false, &terms).is_err(),
            "the last word is the app's"
        );
    }

    #[test]
    fn what_has_to_be_asked_about_is_never_given_stale() {
        let secs = Duration::from_secs;
        let terms = Terms { stale_while_revalidate: secs(7), stale_if_error: secs(8), ..Terms::default() };
        let rows = [
            ("max-age=60", (7, 8), "nothing said: the config"),
            ("max-age=60, stale-while-revalidate=1, stale-if-error=2", (1, 2), "the answer counts"),
            ("max-age=60, stale-if-error=0", (7, 0), "even if it says no"),
            ("max-age=60, must-revalidate, stale-if-error=2", (0, 0), "RFC 9111, 5.2.2.2"),
            ("max-age=60, proxy-revalidate", (0, 0), "5.2.2.8"),
            ("s-maxage=60", (0, 0), "5.2.2.10"),
            ("no-cache", (0, 0), "5.2.2.4"),
        ];
        for (line, (while_revalidate, if_error), row) in rows {
            let kept = judged(200, &[("cache-control", line), ("etag", "\"a\"")], false, &terms).unwrap();
            let found = (kept.rules.stale_while_revalidate, kept.rules.stale_if_error);
            assert_eq!(found, (secs(while_revalidate), secs(if_error)), "{row}");
        }
    }
}
