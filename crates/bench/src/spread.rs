/// The median and the extremes of several measurements of one thing.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Spread {
    /// The upper median.
    pub median: f64,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
}

impl Spread {
    /// Summarizes these values, in any order.
    ///
    /// # Panics
    /// Without a value.
    pub fn from_values(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self { median: values[values.len() / 2], min: values[0], max: values[values.len() - 1] }
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_median_of_an_even_number_of_values_is_the_upper_one() {
        let spread = Spread::from_values([4.0, 1.0, 3.0, 2.0]);
        assert_eq!(spread, Spread { median: 3.0, min: 1.0, max: 4.0 });
    }
}
