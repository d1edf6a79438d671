//! Turns, medians and spread.

use std::fmt;

/// One figure, measured several times.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Figure {
    /// The value in the middle.
    pub median: f64,
    /// The lowest.
    pub lowest: f64,
    /// The highest.
    pub highest: f64,
}

impl Figure {
    /// What these values come to. All zero when there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match (values.first(), values.get(middle), values.last()) {
            (Some(lowest), Some(upper), Some(highest)) => {
                let lower = if values.len().is_multiple_of(2) { values[middle - 1] } else { *upper };
                Self { median: lower.midpoint(*upper), lowest: *lowest, highest: *highest }
            }
            _ => Self::default(),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.2} ({:.2}–{:.2})", self.median, self.lowest, self.highest);
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let rows = [
            (vec![3.0, 1.0, 2.0], [2.0, 1.0, 3.0]),
            (vec![4.0, 1.0, 3.0, 2.0], [2.5, 1.0, 4.0]),
            (vec![7.0], [7.0, 7.0, 7.0]),
            (vec![], [0.0, 0.0, 0.0]),
        ];
        for (values, expected) in rows {
            let figure = Figure::of(values.iter().copied());
            assert_eq!([figure.median, figure.lowest, figure.highest], expected, "{values:?}");
        }
    }
}
