//! The baseline of a term: its usual similarity with the pictures of a bucket. Every picture
//! resembles "sky" a little, so only a picture that stands out from the baseline gets the term.

/// Least number of pictures for a baseline.
const MIN_PICTURES: usize = 50;

/// A smaller spread comes from rounding.
const MIN_SPREAD: f32 = 1e-4;

/// The median of a term's similarities with the pictures of a bucket, and the spread of the half
/// below it.
///
/// Mean and standard deviation would not do. The pictures that show the thing are part of the
/// bucket. The more of them there are, the higher both get, until no picture of a common thing
/// stands out. The half below the median does not contain them. A thing that most pictures show
/// does not stand out, and is no keyword.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Baseline {
    median: f32,
    spread: f32,
}

impl Baseline {
    /// `None` for too few scores, or for scores that are all the same.
    pub(super) fn of(scores: &mut [f32]) -> Option<Baseline> {
        if scores.len() < MIN_PICTURES {
            return None;
        }
        scores.sort_by(f32::total_cmp);
        let (below, above) = scores.split_at(scores.len() / 2);
        let median = (below.last()? + above.first()?) / 2.0;
        let squares: f64 = below.iter().map(|score| f64::from(median - score).powi(2)).sum();
        let spread = (squares / below.len() as f64).sqrt() as f32;
        (spread > MIN_SPREAD).then_some(Baseline { median, spread })
    }

    /// How far a similarity lies above the median, in spreads.
    pub(super) fn score(&self, similarity: f32) -> f32 {
        (similarity - self.median) / self.spread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Evenly spread from -1 to 1.
    fn even(count: usize) -> Vec<f32> {
        (0..count).map(|place| place as f32 / (count - 1) as f32 * 2.0 - 1.0).collect()
    }

    #[test]
    fn the_middle_is_zero_and_the_spread_is_one() {
        let baseline = Baseline::of(&mut even(1001)).unwrap();
        assert!(baseline.score(0.0).abs() < 0.01);
        // An even spread of half-width 1 has a standard deviation of 1/√3.
        assert!((baseline.score(1.0) - 3_f32.sqrt()).abs() < 0.01, "{}", baseline.score(1.0));
    }

    #[test]
    fn what_a_third_of_the_pictures_show_still_stands_out() {
        let mut scores: Vec<f32> = even(200).iter().map(|score| score * 0.05).collect();
        scores.extend([0.4; 100]);
        let baseline = Baseline::of(&mut scores).unwrap();
        assert!(baseline.score(0.4) > 6.0, "{}", baseline.score(0.4));
        assert!(baseline.score(0.05) < 2.0, "{}", baseline.score(0.05));
    }

    #[test]
    fn what_most_show_does_not() {
        let mut scores: Vec<f32> = even(100).iter().map(|score| score * 0.05).collect();
        scores.extend([0.4; 300]);
        assert!(Baseline::of(&mut scores).unwrap().score(0.4).abs() < 0.01);
    }

    #[test]
    fn too_little_is_known() {
        assert_eq!(Baseline::of(&mut even(MIN_PICTURES - 1)), None);
        assert_eq!(Baseline::of(&mut [0.3; 100]), None);
    }
}
