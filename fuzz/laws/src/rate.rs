//! Values as people write them: what is printed reads back, and rates are nginx's to the last digit.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use headwall_units::{Duration, Network, Rate, Size};

/// A rate, a duration, a size or a network reads back from what is printed of it.
///
/// # Panics
///
/// When another value comes back.
pub fn rate(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(rate) = reads_back::<Rate>(text) {
        let nanos = rate.per().length().as_std().as_nanos();
        let exact = u128::from(rate.count()) * 1_000 * 1_000_000_000 / nanos;
        assert_eq!(u128::from(rate.milli_per_second()), exact, "{text:?}");
        assert!(rate.milli_per_second() > 0 && rate.implied_burst() < rate.count(), "{text:?}");
    }
    if let Some(duration) = reads_back::<Duration>(text) {
        assert!(duration <= Duration::LONGEST, "{text:?}");
    }
    reads_back::<Size>(text);
    reads_back::<Network>(text);
}

/// The value, if the text is one. An error has a sentence to say.
fn reads_back<T: FromStr<Err: Display> + Display + Debug + PartialEq>(text: &str) -> Option<T> {
    match text.parse::<T>() {
        Ok(value) => {
            let shown = value.to_string();
            let again =
                shown.parse().unwrap_or_else(|error| panic!("{text:?} is shown as {shown:?}: {error}"));
            assert_eq!(value, again, "{text:?} is shown as {shown:?}");
            Some(value)
        }
        Err(error) => {
            assert!(error.to_string().contains(' '), "{error}");
            None
        }
    }
}
