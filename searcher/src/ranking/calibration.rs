//! What a cosine means. Models differ in how large their cosines are, and so do questions; so the
//! cosines of a question are measured by those of a fixed random sample of rows, and by those of
//! words that have nothing to do with a picture.

use serde::{Deserialize, Serialize};

/// Standard deviations above the mean from which a cosine says something, of words and of pictures.
/// Words have another hurdle, so theirs was chosen with `just bench-search`; a picture resembles up
/// to a third of all others that much.
const WORDS_SPEAK_FROM: f32 = 2.0;
const PICTURES_SPEAK_FROM: f32 = 1.5;
/// Share of all rows from which a question is a broad one, whose answers are a normal thing and no
/// exception.
const BROAD_FROM: f32 = 0.05;
/// Share of unrelated pairs of words and pictures that have a smaller cosine.
const UNRELATED_SHARE: f32 = 0.99;
/// With fewer rows nothing can be measured.
const LEAST_ROWS: usize = 8;

/// How the cosines of one question are read.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scale {
    /// Mean and standard deviation over the sample.
    #[serde(rename = "m")]
    pub(crate) mean: f32,
    #[serde(rename = "d")]
    pub(crate) deviation: f32,
    /// What hardly any unrelated words reach; `None` where the question is not words.
    #[serde(rename = "u")]
    pub(crate) unrelated: Option<f32>,
    /// Whether many rows answer the question.
    #[serde(rename = "b")]
    pub(crate) broad: bool,
}

impl Scale {
    /// Measures a question. `None` where there are too few rows, or all are alike.
    pub(crate) fn of(
        question: &[f32],
        sample: &[Vec<f32>],
        unrelated: Option<f32>,
    ) -> Option<Self> {
        let cosines: Vec<f32> = sample.iter().map(|row| dot(question, row)).collect();
        let count = cosines.len() as f32;
        let mean = cosines.iter().sum::<f32>() / count;
        let deviation =
            (cosines.iter().map(|cosine| (cosine - mean).powi(2)).sum::<f32>() / count).sqrt();
        if cosines.len() < LEAST_ROWS || !mean.is_finite() || deviation < 1e-6 {
            return None;
        }
        let broad = unrelated.is_some_and(|floor| {
            cosines.iter().filter(|cosine| **cosine >= floor).count() as f32 >= BROAD_FROM * count
        });
        Some(Self { mean, deviation, unrelated, broad })
    }

    /// Standard deviations above the mean.
    pub(crate) fn calibrated(&self, cosine: f32) -> f32 {
        (cosine - self.mean) / self.deviation
    }

    /// Whether this cosine speaks for a hit: it is an exception, unless very many rows answer the
    /// question, and hardly any unrelated words would reach it.
    pub(crate) fn speaks(&self, cosine: f32) -> bool {
        let least = if self.unrelated.is_some() { WORDS_SPEAK_FROM } else { PICTURES_SPEAK_FROM };
        let exceptional = self.broad || self.calibrated(cosine) >= least;
        exceptional && self.unrelated.is_none_or(|floor| cosine >= floor)
    }
}

/// The cosine that hardly any of these words reach with any of these rows, nearly all of which they
/// have nothing to do with.
pub(crate) fn unrelated(words: &[Vec<f32>], sample: &[Vec<f32>]) -> Option<f32> {
    let mut cosines: Vec<f32> =
        words.iter().flat_map(|word| sample.iter().map(|row| dot(word, row))).collect();
    let place = (cosines.len() as f32 * UNRELATED_SHARE) as usize;
    if cosines.len() < LEAST_ROWS * LEAST_ROWS || place >= cosines.len() {
        return None;
    }
    let (_, value, _) = cosines.select_nth_unstable_by(place, f32::total_cmp);
    Some(*value)
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows at these angles from the question, which lies along the first axis.
    fn rows(cosines: &[f32]) -> Vec<Vec<f32>> {
        cosines.iter().map(|cosine| vec![*cosine, (1.0 - cosine * cosine).sqrt()]).collect()
    }

    const QUESTION: [f32; 2] = [1.0, 0.0];

    #[test]
    fn an_exception_speaks_and_the_ordinary_does_not() {
        let mut cosines = vec![0.1; 99];
        cosines.extend((0..99).map(|i| 0.1 + i as f32 * 0.001));
        cosines.push(0.9);
        let scale = Scale::of(&QUESTION, &rows(&cosines), Some(0.5)).unwrap();
        assert!(scale.speaks(0.9) && !scale.speaks(0.15) && !scale.broad);
        // As far above the others, and still below what unrelated words reach.
        let scale = Scale::of(&QUESTION, &rows(&cosines), Some(0.95)).unwrap();
        assert!(!scale.speaks(0.9));
    }

    #[test]
    fn what_a_third_of_all_rows_answer_speaks_though_it_is_no_exception() {
        let cosines: Vec<f32> = (0..90).map(|i| if i % 3 == 0 { 0.6 } else { 0.1 }).collect();
        let scale = Scale::of(&QUESTION, &rows(&cosines), Some(0.5)).unwrap();
        assert!(scale.broad && scale.calibrated(0.6) < WORDS_SPEAK_FROM);
        assert!(scale.speaks(0.6) && !scale.speaks(0.1));
    }

    #[test]
    fn too_few_rows_or_equal_ones_tell_nothing() {
        assert_eq!(Scale::of(&QUESTION, &rows(&[0.1, 0.9]), None), None);
        assert_eq!(Scale::of(&QUESTION, &rows(&[0.5; 50]), None), None);
        assert_eq!(Scale::of(&QUESTION, &[], None), None);
        assert_eq!(unrelated(&[], &[]), None);
    }

    #[test]
    fn unrelated_words_are_measured_by_what_nearly_all_stay_below() {
        let words = vec![vec![1.0, 0.0]; 10];
        let cosines: Vec<f32> = (0..100).map(|i| i as f32 / 100.0).collect();
        let floor = unrelated(&words, &rows(&cosines)).unwrap();
        assert!((0.98..=0.99).contains(&floor), "{floor}");
    }
}
