//! One query against the codes: an estimate for each row.

use std::ops::Range;

use crate::vectors::allowed::Allowed;
use crate::vectors::codes::Codes;
use crate::vectors::error::VectorError;
use crate::vectors::query::QueryCode;
use crate::vectors::version::{Parts, check};

/// Rows whose products are computed before they are looked at.
const TOGETHER: usize = 256;

/// A query, coded for one version.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) parts: &'a Parts,
    pub(super) allowed: Option<&'a Allowed>,
    /// With the centroid of each list.
    pub(super) products: Vec<f32>,
    code: QueryCode,
    /// An estimate's standard deviation is at most this times the row's factor.
    pub(super) noise: f32,
}

/// An estimate of a row of some codes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    /// The row.
    pub(super) index: usize,
    /// Of the cosine.
    pub(super) cosine: f32,
    /// The row's factor.
    pub(super) factor: f32,
    /// `<g, q>`, of which the estimate was made.
    pub(super) product: f32,
}

impl<'a> Asked<'a> {
    /// # Errors
    /// The query has another dimension or a number that is not finite.
    pub(super) fn new(
        parts: &'a Parts,
        query: &[f32],
        allowed: Option<&'a Allowed>,
    ) -> Result<Self, VectorError> {
        check(query, parts.file.dim(), 0)?;
        let mut rotated = vec![0.0; parts.coder.padded()];
        parts.coder.rotation.rotate(query, &mut rotated);
        let code = QueryCode::new(&rotated);
        let square = crate::vectors::products::dot(query, query);
        let noise = parts.all_codes().fold(0f32, |noise, (_, codes)| noise.max(codes.noise));
        let noise = noise * square.sqrt();
        let products = parts.coder.centroids.products(&rotated);
        Ok(Self { parts, allowed, products, code, noise })
    }

    /// Estimates the allowed ones of some rows.
    #[inline]
    pub(super) fn range(&self, codes: &Codes, range: Range<usize>, mut each: impl FnMut(Estimate)) {
        let width = self.code.width();
        let mut products = [0f32; TOGETHER];
        let mut places = Vec::with_capacity(if self.allowed.is_some() { TOGETHER } else { 0 });
        for from in range.clone().step_by(TOGETHER) {
            let rows = from..range.end.min(from + TOGETHER);
            if let Some(allowed) = self.allowed {
                let slots = codes.slots.get(rows.clone()).unwrap_or_default();
                places.clear();
                let may = (0u32..).zip(slots).filter(|(_, slot)| allowed.contains(**slot));
                places.extend(may.map(|(place, _)| from as u32 + place));
                self.places(codes, &places, &mut each);
                continue;
            }
            let block = codes.codes.get(rows.start * width..rows.end * width);
            self.code.products(block.unwrap_or_default(), &mut products);
            let factors = codes.factors.get(rows.clone()).unwrap_or_default();
            let lists = codes.lists.get(rows.clone()).unwrap_or_default();
            for (index, ((product, factor), list)) in
                rows.zip(products.iter().zip(factors).zip(lists))
            {
                each(self.estimate(index, *product, *factor, *list));
            }
        }
    }

    /// Estimates the rows at some places.
    #[inline]
    pub(super) fn places(&self, codes: &Codes, places: &[u32], mut each: impl FnMut(Estimate)) {
        let mut products = [0f32; TOGETHER];
        for places in places.chunks(TOGETHER) {
            self.code.products_at(&codes.codes, places, &mut products);
            for (place, product) in places.iter().zip(products) {
                let index = *place as usize;
                if let (Some(factor), Some(list)) =
                    (codes.factors.get(index), codes.lists.get(index))
                {
                    each(self.estimate(index, product, *factor, *list));
                }
            }
        }
    }

    #[inline(always)]
    fn estimate(&self, index: usize, product: f32, factor: f32, list: u16) -> Estimate {
        let centre = self.products.get(usize::from(list)).copied().unwrap_or_default();
        Estimate { index, cosine: centre + factor * product, factor, product }
    }
}
