//! Median and spread of several measurements.

use serde::{Deserialize, Serialize};

/// Median, quartiles and extremes of several measurements of one figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Spread {
    /// The smallest value.
    pub min: f64,
    /// The first quartile.
    pub q1: f64,
    /// The median.
    pub median: f64,
    /// The third quartile.
    pub q3: f64,
    /// The largest value.
    pub max: f64,
}

impl Spread {
    /// Summarizes these values, in any order. `None` without a value.
    pub fn from_values(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            min: *sorted.first()?,
            q1: quantile(&sorted, 0.25)?,
            median: quantile(&sorted, 0.5)?,
            q3: quantile(&sorted, 0.75)?,
            max: *sorted.last()?,
        })
    }
}

/// Returns the value that a share (0 to 1) of the values does not exceed, interpolated linearly
/// between neighbours. The values are sorted. `None` without a value.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = share.clamp(0.0, 1.0) * last as f64;
    let (below, above) = (position.floor() as usize, position.ceil() as usize);
    Some(sorted[below] + (sorted[above] - sorted[below]) * position.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_interpolated() {
        let spread = Spread::from_values([4.0, 1.0, 3.0, 2.0]);
        assert_eq!(spread, Some(Spread { min: 1.0, q1: 1.75, median: 2.5, q3: 3.25, max: 4.0 }));
        let odd = Spread::from_values([9.0, 1.0, 5.0]);
        assert_eq!(odd, Some(Spread { min: 1.0, q1: 3.0, median: 5.0, q3: 7.0, max: 9.0 }));
    }

    #[test]
    fn one_value_is_its_own_spread_and_no_value_has_none() {
        let one = Spread { min: 2.0, q1: 2.0, median: 2.0, q3: 2.0, max: 2.0 };
        assert_eq!(Spread::from_values([2.0]), Some(one));
        assert_eq!(Spread::from_values([]), None);
    }

    #[test]
    fn a_quantile_is_between_the_extremes() {
        let sorted = [1.0, 2.0, 4.0];
        assert_eq!(quantile(&sorted, 0.0), Some(1.0));
        assert_eq!(quantile(&sorted, 0.75), Some(3.0));
        assert_eq!(quantile(&sorted, 2.0), Some(4.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
