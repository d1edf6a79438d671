//! What rates mean in nginx's unit, and what is refused.

use proptest::prelude::*;

use super::*;

#[test]
fn reads_both_forms_and_truncates_as_nginx_does() {
    let rows = [
        ("10r/s", 10_000, 0),
        ("1r/s", 1_000, 0),
        ("5r/m", 83, 0),
        ("30r/m", 500, 0),
        ("1r/m", 16, 0),
        ("100r/h", 27, 0),
        ("7r/h", 1, 0),
        ("4r/h", 1, 0),
        ("4294967r/s", 4_294_967_000, 0),
        ("100 per 1m", 1_666, 99),
        ("5 per 10s", 500, 4),
        ("1 per 1s", 1_000, 0),
        ("4 per 1h", 1, 3),
    ];
    for (text, milli_per_second, implied_burst) in rows {
        let rate: Rate = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(rate.milli_per_second(), milli_per_second, "{text}");
        assert_eq!(rate.implied_burst(), implied_burst, "{text}");
        assert_eq!(rate.to_string(), text, "{text}");
    }
}

#[test]
fn keeps_the_form_that_was_written() {
    let steady: Rate = "60r/m".parse().unwrap();
    let window: Rate = "60 per 60s".parse().unwrap();
    assert_eq!((steady.count(), steady.per()), (60, Per::Minute));
    assert_eq!((window.count(), window.per()), (60, Per::Window(Duration::from_secs(60))));
    assert_eq!(steady.milli_per_second(), window.milli_per_second());
    assert_ne!(steady, window);
}

#[test]
fn refuses_the_rest_and_says_why() {
    use InvalidRate as E;
    type Row = (&'static str, fn(String) -> E);
    let rows: [Row; 18] = [
        ("", E::Form),
        ("5", E::Form),
        ("5/m", E::Form),
        ("5r/d", E::Form),
        ("5 r/m", E::Form),
        ("+5r/m", E::Form),
        ("-5r/m", E::Form),
        ("1.5r/s", E::Form),
        ("r/s", E::Form),
        ("5 per", E::Form),
        ("5 per minute", E::Form),
        ("5 per 60", E::Form),
        (" per 1m", E::Form),
        ("0r/s", E::Zero),
        ("0 per 1m", E::Zero),
        ("5 per 0s", E::Zero),
        ("4294968r/s", E::TooFast),
        ("99999999999r/h", E::TooFast),
    ];
    for (text, error) in rows {
        assert_eq!(text.parse::<Rate>(), Err(error(text.to_owned())), "{text:?}");
    }
}

#[test]
fn names_the_slowest_rate_that_works() {
    for (text, slowest) in
        [("1r/h", "4r/h"), ("3r/h", "4r/h"), ("1 per 1h", "4 per 1h"), ("86 per 24h", "87 per 24h")]
    {
        let error = InvalidRate::TooSlow { written: text.to_owned(), slowest: slowest.to_owned() };
        assert_eq!(text.parse::<Rate>(), Err(error), "{text}");
        assert!(slowest.parse::<Rate>().is_ok(), "{slowest}");
    }
}

#[test]
fn serde_uses_the_text() {
    let rate: Rate = serde_json::from_str("\"5r/m\"").unwrap();
    assert_eq!(serde_json::to_string(&rate).unwrap(), "\"5r/m\"");
    let error = serde_json::from_str::<Rate>("5").unwrap_err().to_string();
    assert!(error.contains("expected a rate such as 5r/m"), "{error}");
}

proptest! {
    #[test]
    fn shown_reads_back(count in 1_u32.., window in 1_u64..100_000_000, form in 0..4) {
        let per = match form {
            0 => Per::Second,
            1 => Per::Minute,
            2 => Per::Hour,
            _ => Per::Window(Duration::from_millis(window)),
        };
        if let Ok(rate) = Rate::new(NonZeroU32::new(count).unwrap(), per) {
            prop_assert_eq!(rate.to_string().parse::<Rate>(), Ok(rate));
        }
    }

    #[test]
    fn whatever_reads_reads_back(text in "[0-9]{0,12}(r/| per )?[0-9smhd]{0,12}") {
        if let Ok(rate) = text.parse::<Rate>() {
            prop_assert_eq!(rate.to_string().parse(), Ok(rate));
        }
    }
}
