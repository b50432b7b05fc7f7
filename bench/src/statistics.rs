//! Medians, quartiles and ratios.
//!
//! What is compared is measured in the same round, one after the other. A ratio is taken in each round, and then
//! their median: what disturbs a whole round, such as another process, disturbs both, and cancels out.

/// The middle of some figures, and their spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    /// A quarter of the figures is below.
    pub(crate) low: f64,
    pub(crate) median: f64,
    /// A quarter of the figures is above.
    pub(crate) high: f64,
}

/// The summary of some figures. None of none.
pub(crate) fn summary(figures: &[f64]) -> Option<Summary> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(Summary { low: quantile(&sorted, 1)?, median: quantile(&sorted, 2)?, high: quantile(&sorted, 3)? })
}

/// The summary of the ratios of figures to others of the same rounds.
pub(crate) fn ratio(figures: &[f64], references: &[f64]) -> Option<Summary> {
    let ratios: Vec<f64> =
        figures.iter().zip(references).map(|(figure, reference)| figure / reference).collect();
    summary(&ratios)
}

/// The middle of some whole numbers: of an even count the lower one of the two in the middle.
pub(crate) fn median(numbers: &[u64]) -> Option<u64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

/// A quartile of sorted figures, between two of them if it falls there.
fn quantile(sorted: &[f64], quarters: usize) -> Option<f64> {
    let place = sorted.len().checked_sub(1)? * quarters;
    let (below, rest) = (*sorted.get(place / 4)?, place % 4);
    let above = sorted.get(place / 4 + 1).copied().unwrap_or(below);
    Some(below + (above - below) * rest as f64 / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(low: f64, median: f64, high: f64) -> Summary {
        Summary { low, median, high }
    }

    #[test]
    fn a_summary_does_not_depend_on_the_order() {
        assert_eq!(summary(&[]), None);
        assert_eq!(summary(&[7.0]), Some(of(7.0, 7.0, 7.0)));
        assert_eq!(summary(&[3.0, 1.0]), Some(of(1.5, 2.0, 2.5)));
        assert_eq!(summary(&[5.0, 1.0, 4.0, 2.0, 3.0]), Some(of(2.0, 3.0, 4.0)));
        assert_eq!(summary(&[4.0, 1.0, 2.0, 3.0]), Some(of(1.75, 2.5, 3.25)));
    }

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        // The second round was disturbed, and both were ten times as slow in it.
        assert_eq!(ratio(&[1.0, 10.0, 1.0], &[2.0, 20.0, 2.0]), Some(of(0.5, 0.5, 0.5)));
        assert_eq!(ratio(&[1.0, 2.0, 9.0], &[1.0, 1.0, 1.0]), Some(of(1.5, 2.0, 5.5)));
    }

    #[test]
    fn a_median_of_whole_numbers_is_one_of_them() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[9, 1, 5]), Some(5));
        assert_eq!(median(&[9, 1]), Some(1));
    }
}
