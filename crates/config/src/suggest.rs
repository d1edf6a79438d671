//! "Did you mean": the one place that decides which names are near enough to propose.

/// More names than this are not listed in a help line; the reference lists them better.
const LISTED: usize = 16;

/// A help sentence for a name that is not among `candidates`: the nearest one, or all when they are few.
pub(crate) fn help<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let candidates: Vec<&str> = candidates.into_iter().filter(|name| !name.starts_with('$')).collect();
    if let Some(nearest) = nearest(written, &candidates) {
        return Some(format!("did you mean `{nearest}`?"));
    }
    match candidates.as_slice() {
        [] => None,
        [only] => Some(format!("only `{only}` is known here")),
        few if few.len() <= LISTED => Some(format!("one of {}", list(few))),
        _ => None,
    }
}

/// The candidate that a typing mistake explains: at most a third of the letters differ.
pub(crate) fn nearest<'a>(written: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let written = written.to_ascii_lowercase().replace('-', "_");
    candidates
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&written, name), *name))
        .filter(|(distance, name)| *distance <= (name.chars().count().max(3) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Names as a list in prose: `` `a`, `b`, `c` ``.
pub(crate) fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_name_is_proposed() {
        let rows = [
            ("upstrem", "upstream", "one letter missing"),
            ("rate-limit", "rate_limit", "a hyphen is as good as an underscore"),
            ("Hosts", "hosts", "case does not matter"),
            ("hsots", "hosts", "two letters swapped"),
        ];
        for (written, expected, why) in rows {
            assert_eq!(nearest(written, &["upstream", "rate_limit", "hosts"]), Some(expected), "{why}");
        }
        assert_eq!(nearest("tls", &["api", "spa"]), None, "different words are not proposed");
    }

    #[test]
    fn few_names_are_listed_when_none_is_near() {
        assert_eq!(help("tls", ["api", "spa"]).as_deref(), Some("one of `api`, `spa`"));
        assert_eq!(help("tls", ["$rest"]), None, "internal names are never shown");
    }
}
