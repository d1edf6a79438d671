//! The query parameters of the demo's endpoints, written as in Headwall's own configuration: `every=100ms`, `size=1m`.

use std::fmt::Display;
use std::str::FromStr;

/// Reads the parameter `name`, when it is there.
///
/// The values have no characters that need percent-encoding, so none is undone.
///
/// # Errors
///
/// When the value is none of its type: a sentence for the client.
pub(super) fn read<T>(query: &str, name: &str) -> Result<Option<T>, String>
where
    T: FromStr<Err: Display>,
{
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    value.map(|value| value.parse().map_err(|error| format!("{name}: {error}"))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_found_by_its_whole_name() {
        let table = [
            ("", Ok(None)),
            ("n=1", Ok(Some(1))),
            ("a=b&n=2", Ok(Some(2))),
            ("nn=3", Ok(None)),
            ("n", Ok(None)),
            ("n=x", Err("n: invalid digit found in string".to_owned())),
        ];
        for (query, expected) in table {
            assert_eq!(read::<u64>(query, "n"), expected, "`{query}`");
        }
    }
}
