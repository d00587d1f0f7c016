//! Which lists a search looks at, and when it has seen enough of them.

use crate::vectors::asked::Asked;
use crate::vectors::candidates::ExactCandidates;

/// So many lists are looked at whatever the estimates say, and one in so many rows.
const LEAST_LISTS: usize = 16;
const LEAST_SHARE: usize = 64;

/// Lists after which it is asked again whether they are enough.
const STEP_LISTS: usize = 4;

/// The share of the wanted that may be expected in the lists left out.
const LEFT_OUT: f32 = 0.005;

/// Residuals of real lists have longer tails than the normal distribution: their deviation is taken
/// to be greater by this.
const TAILS: f32 = 1.3;

/// The mean square of a code's product with a unit query, for random directions.
const PRODUCT_SQUARE: f32 = 3.6;

/// The lists in the order of their centroids' distances from the query.
///
/// Rows are in the list of the nearest centroid, so lists are looked at in that order too. Products
/// alone would put centroids of many scattered rows, which are short, behind all others.
pub(super) struct Walk<'a, 'b> {
    asked: &'a Asked<'a>,
    candidates: &'b mut ExactCandidates,
    order: Vec<u32>,
    /// Rows seen, and the sum of the squares of their codes' products.
    seen: usize,
    squares: f32,
    met: usize,
}

impl<'a, 'b> Walk<'a, 'b> {
    pub(super) fn new(asked: &'a Asked<'a>, candidates: &'b mut ExactCandidates) -> Self {
        let distances = asked.parts.coder.centroids.scores(&asked.products);
        let mut order: Vec<(f32, u32)> = distances.zip(0..).collect();
        order.sort_unstable_by(|(a, _), (b, _)| b.total_cmp(a));
        let order = order.into_iter().map(|(_, list)| list).collect();
        Self { asked, candidates, order, seen: 0, squares: 0.0, met: 0 }
    }

    /// Compares the unlisted rows, then list after list until few of the wanted can be in the rest.
    pub(super) fn run(&mut self) {
        let parts = self.asked.parts;
        for (first, codes) in parts.all_codes().skip(1) {
            self.asked.range(codes, 0..codes.len(), |estimate| {
                self.candidates
                    .consider(codes, &estimate, |slot, index| parts.is_alive(slot, first + index));
            });
        }
        let order = std::mem::take(&mut self.order);
        let least = parts.listed.codes.len() / LEAST_SHARE;
        for (index, list) in order.iter().enumerate() {
            let is_time =
                index >= LEAST_LISTS && self.seen >= least && index.is_multiple_of(STEP_LISTS);
            if is_time && self.is_enough(order.get(index..).unwrap_or_default()) {
                return;
            }
            self.look_at(*list as usize);
        }
    }

    fn look_at(&mut self, list: usize) {
        let parts = self.asked.parts;
        let codes = &parts.listed.codes;
        let range = parts.listed.range(list);
        self.seen += range.len();
        let (mut squares, mut met) = (0.0, 0);
        self.asked.range(codes, range, |estimate| {
            squares += estimate.product * estimate.product;
            met += 1;
            self.candidates.consider(codes, &estimate, |slot, index| parts.is_alive(slot, index));
        });
        self.squares += squares;
        self.met += met;
    }

    /// Whether few rows of the other lists can be better than the last wanted.
    ///
    /// A row of a list is `centroid + residual`, and the residual's product with the query is taken
    /// as normal: with the deviation that it had in the lists seen, but no less than that of random
    /// directions.
    fn is_enough(&self, rest: &[u32]) -> bool {
        let floor = self.candidates.floor();
        let parts = self.asked.parts;
        let measured = self.squares / self.met.max(1) as f32;
        let deviation = TAILS * measured.max(PRODUCT_SQUARE).sqrt();
        let left = (parts.listed.codes.len() - self.seen) as f32;
        let share = match self.asked.allowed {
            Some(allowed) => allowed.count().saturating_sub(self.met) as f32 / left.max(1.0),
            None => 1.0,
        };
        let most = LEFT_OUT * self.candidates.wanted() as f32;
        let mut expected = 0.0;
        for list in rest {
            let list = *list as usize;
            let spread = parts.listed.spreads.get(list).copied().unwrap_or_default() * deviation;
            let product = self.asked.products.get(list).copied().unwrap_or_default();
            let rows = parts.listed.range(list).len() as f32 * share.min(1.0);
            expected += rows * tail((floor - product) / spread.max(f32::MIN_POSITIVE));
            if expected > most {
                return false;
            }
        }
        true
    }
}

/// About the probability that a standard normal number is greater than `z`.
fn tail(z: f32) -> f32 {
    if z <= 0.0 { 1.0 } else { 0.5 * (-0.717 * z - 0.416 * z * z).exp() }
}
