//! What is usual for a term: every picture resembles "sky" a little, so only what stands out
//! counts.

/// Fewest pictures that tell what is usual.
pub(super) const FEWEST: usize = 50;

/// A spread below this comes from rounding.
const LEAST_SPREAD: f32 = 1e-4;

/// The similarities of a term with the pictures of a bucket: their middle, and how far those below
/// it lie from it.
///
/// Not mean and standard deviation: those who show the thing are part of the bucket, and the more
/// they are, the higher both get, until a picture of the commonest things stands out by nothing.
/// The half below the median does not know them. A thing that most pictures show is usual, and no
/// keyword.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usual {
    median: f32,
    spread: f32,
}

impl Usual {
    /// `None` for too few scores, or scores that are all the same.
    pub(super) fn of(scores: &mut [f32]) -> Option<Usual> {
        if scores.len() < FEWEST {
            return None;
        }
        scores.sort_by(f32::total_cmp);
        let (below, above) = scores.split_at(scores.len() / 2);
        let median = (below.last()? + above.first()?) / 2.0;
        let squares: f64 = below.iter().map(|score| f64::from(median - score).powi(2)).sum();
        let spread = (squares / below.len() as f64).sqrt() as f32;
        (spread > LEAST_SPREAD).then_some(Usual { median, spread })
    }

    /// How far a score stands out, in spreads.
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
        let usual = Usual::of(&mut even(1001)).unwrap();
        assert!(usual.score(0.0).abs() < 0.01);
        // An even spread of half-width 1 has a standard deviation of 1/√3.
        assert!((usual.score(1.0) - 3_f32.sqrt()).abs() < 0.01, "{}", usual.score(1.0));
    }

    #[test]
    fn what_a_third_of_the_pictures_show_still_stands_out() {
        let mut scores: Vec<f32> = even(200).iter().map(|score| score * 0.05).collect();
        scores.extend([0.4; 100]);
        let usual = Usual::of(&mut scores).unwrap();
        assert!(usual.score(0.4) > 6.0, "{}", usual.score(0.4));
        assert!(usual.score(0.05) < 2.0, "{}", usual.score(0.05));
    }

    #[test]
    fn what_most_show_does_not() {
        let mut scores: Vec<f32> = even(100).iter().map(|score| score * 0.05).collect();
        scores.extend([0.4; 300]);
        assert!(Usual::of(&mut scores).unwrap().score(0.4).abs() < 0.01);
    }

    #[test]
    fn too_little_is_known() {
        assert_eq!(Usual::of(&mut even(FEWEST - 1)), None);
        assert_eq!(Usual::of(&mut [0.3; 100]), None);
    }
}
