//! Calibration of cosines. Models and queries differ in how large their cosines are, so a cosine is
//! measured against those of a fixed random sample of rows, and against those of words that have
//! nothing to do with the pictures.

use ::snapshot::vectors::dot;
use serde::{Deserialize, Serialize};

/// Standard deviations above the mean from which a cosine is relevant, for words and for pictures.
/// Words must also exceed the floor of unrelated words; their value was chosen with
/// `just bench search`. A picture resembles up to a third of all others as much as this.
const MIN_WORD_DEVIATIONS: f32 = 2.0;
const MIN_PICTURE_DEVIATIONS: f32 = 1.5;
/// Share of the rows above the floor from which a query is broad: its answers are no exceptions.
const BROAD_FROM: f32 = 0.05;
/// Share of unrelated pairs of words and pictures that stay below the floor.
const UNRELATED_SHARE: f32 = 0.99;
/// With fewer rows nothing can be measured.
const MIN_ROWS: usize = 8;

/// How the cosines of one query are read.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scale {
    /// Mean and standard deviation over the sample.
    #[serde(rename = "m")]
    pub(crate) mean: f32,
    #[serde(rename = "d")]
    pub(crate) deviation: f32,
    /// The cosine that hardly any unrelated words reach; `None` if the query is not words only.
    #[serde(rename = "u")]
    pub(crate) unrelated_floor: Option<f32>,
    /// Whether many rows answer the query.
    #[serde(rename = "b")]
    pub(crate) broad: bool,
}

impl Scale {
    /// Measures a query vector against a sample. `None` if the sample is too small, or all its
    /// cosines are equal.
    pub(crate) fn of(
        query: &[f32],
        sample: &[Vec<f32>],
        unrelated_floor: Option<f32>,
    ) -> Option<Self> {
        let cosines: Vec<f32> = sample.iter().map(|row| dot(query, row)).collect();
        let count = cosines.len() as f32;
        let mean = cosines.iter().sum::<f32>() / count;
        let deviation =
            (cosines.iter().map(|cosine| (cosine - mean).powi(2)).sum::<f32>() / count).sqrt();
        if cosines.len() < MIN_ROWS || !mean.is_finite() || deviation < 1e-6 {
            return None;
        }
        let broad = unrelated_floor.is_some_and(|floor| {
            cosines.iter().filter(|cosine| **cosine >= floor).count() as f32 >= BROAD_FROM * count
        });
        Some(Self { mean, deviation, unrelated_floor, broad })
    }

    /// Standard deviations above the mean.
    pub(crate) fn calibrated(&self, cosine: f32) -> f32 {
        (cosine - self.mean) / self.deviation
    }

    /// Whether a cosine is relevant: above the floor of unrelated words, and exceptional in this
    /// table unless the query is broad.
    pub(crate) fn is_relevant(&self, cosine: f32) -> bool {
        let min = match self.unrelated_floor {
            Some(_) => MIN_WORD_DEVIATIONS,
            None => MIN_PICTURE_DEVIATIONS,
        };
        let exceptional = self.broad || self.calibrated(cosine) >= min;
        exceptional && self.unrelated_floor.is_none_or(|floor| cosine >= floor)
    }
}

/// What a query says that hits should not be like, next to its words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UnwantedPart {
    /// The sum of all weights above 0.
    pub(crate) wanted_weight: f32,
    /// The sum of the vectors with a weight below 0, times their weights.
    pub(crate) vector: Vec<f32>,
}

/// The cosine that 99 % of all pairs of these unrelated words and these rows stay below, each word
/// together with what is unwanted. `None` if there are too few pairs.
pub(crate) fn unrelated_floor(
    words: &[Vec<f32>],
    sample: &[Vec<f32>],
    unwanted: Option<&UnwantedPart>,
) -> Option<f32> {
    let combined = |word: &Vec<f32>| match unwanted {
        None => word.clone(),
        Some(UnwantedPart { wanted_weight, vector }) => {
            let sum: Vec<f32> =
                word.iter().zip(vector).map(|(a, b)| wanted_weight * a + b).collect();
            let length = dot(&sum, &sum).sqrt().max(f32::MIN_POSITIVE);
            sum.iter().map(|value| value / length).collect()
        }
    };
    let mut cosines: Vec<f32> = words
        .iter()
        .map(combined)
        .flat_map(|word| sample.iter().map(move |row| dot(&word, row)))
        .collect();
    let place = (cosines.len() as f32 * UNRELATED_SHARE) as usize;
    if cosines.len() < MIN_ROWS * MIN_ROWS || place >= cosines.len() {
        return None;
    }
    let (_, value, _) = cosines.select_nth_unstable_by(place, f32::total_cmp);
    Some(*value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows with these cosines to the query, which lies along the first axis.
    fn rows(cosines: &[f32]) -> Vec<Vec<f32>> {
        cosines.iter().map(|cosine| vec![*cosine, (1.0 - cosine * cosine).sqrt()]).collect()
    }

    const QUERY: [f32; 2] = [1.0, 0.0];

    #[test]
    fn an_exception_speaks_and_the_ordinary_does_not() {
        let mut cosines = vec![0.1; 99];
        cosines.extend((0..99).map(|i| 0.1 + i as f32 * 0.001));
        cosines.push(0.9);
        let scale = Scale::of(&QUERY, &rows(&cosines), Some(0.5)).unwrap();
        assert!(scale.is_relevant(0.9) && !scale.is_relevant(0.15) && !scale.broad);
        // As far above the others, and still below what unrelated words reach.
        let scale = Scale::of(&QUERY, &rows(&cosines), Some(0.95)).unwrap();
        assert!(!scale.is_relevant(0.9));
    }

    #[test]
    fn what_a_third_of_all_rows_answer_speaks_though_it_is_no_exception() {
        let cosines: Vec<f32> = (0..90).map(|i| if i % 3 == 0 { 0.6 } else { 0.1 }).collect();
        let scale = Scale::of(&QUERY, &rows(&cosines), Some(0.5)).unwrap();
        assert!(scale.broad && scale.calibrated(0.6) < MIN_WORD_DEVIATIONS);
        assert!(scale.is_relevant(0.6) && !scale.is_relevant(0.1));
    }

    #[test]
    fn too_few_rows_or_equal_ones_tell_nothing() {
        assert_eq!(Scale::of(&QUERY, &rows(&[0.1, 0.9]), None), None);
        assert_eq!(Scale::of(&QUERY, &rows(&[0.5; 50]), None), None);
        assert_eq!(Scale::of(&QUERY, &[], None), None);
        assert_eq!(unrelated_floor(&[], &[], None), None);
    }

    #[test]
    fn unrelated_words_are_measured_by_what_nearly_all_stay_below() {
        let words = vec![vec![1.0, 0.0]; 10];
        let cosines: Vec<f32> = (0..100).map(|i| i as f32 / 100.0).collect();
        let floor = unrelated_floor(&words, &rows(&cosines), None).unwrap();
        assert!((0.98..=0.99).contains(&floor), "{floor}");
        // Words that are turned away from what is unwanted reach less of it.
        let unwanted = UnwantedPart { wanted_weight: 1.0, vector: vec![-0.5, -0.5] };
        let lower = unrelated_floor(&words, &rows(&cosines), Some(&unwanted)).unwrap();
        assert!(lower < 0.8, "{lower}");
    }
}
