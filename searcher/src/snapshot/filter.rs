//! Filters over a snapshot: the pictures that meet all conditions.

use ::snapshot::bits::Bits;
use ::snapshot::pictures::select::MomentColumn;
use ::snapshot::words::{Numbering, WordIndex, rarity};
use table::filter::{Filter, MissingFact, PictureShape, Place, Values};
use table::keyword;

use super::SearchSnapshot;
use super::caption_rows::KeyOfSlot;

/// Texts with a term that are counted one by one. Of more, it does not matter that a picture may
/// have the term twice or be superseded.
const MAX_COUNTED: usize = 10_000;

impl SearchSnapshot {
    /// The pictures that searches can find and that meet a filter.
    pub(crate) fn meeting(&self, filter: &Filter) -> Bits {
        let mut bits = self.shown.as_ref().clone();
        self.retain_keys(&mut bits, &filter.prefix);
        self.retain_facts(&mut bits, filter);
        self.retain_missing(&mut bits, &filter.missing);
        if !filter.keywords.is_empty() {
            let of = |keyword: &String| {
                let keyword = keyword::normalised(keyword);
                self.holding(&self.keywords, &self.captions, &keyword)
            };
            retain_values(&mut bits, &filter.keywords, of);
        }
        bits
    }

    /// The pictures with a term in an index of words.
    fn holding(&self, index: &WordIndex, numbering: &impl Numbering, term: &str) -> Bits {
        let mut bits = Bits::none(self.pictures.len());
        index.postings(term, |document, _| {
            if let Some(slot) = numbering.slot_of(document) {
                bits.set(slot, true);
            }
        });
        bits
    }

    /// The pictures whose key, caption or keywords hold one of these terms.
    pub(crate) fn with_terms(&self, terms: &[(String, String)]) -> Bits {
        let mut bits = Bits::none(self.pictures.len());
        let mut words: Vec<(&str, Bits)> = Vec::new();
        for (term, written) in terms {
            let mut holding = self.holding(&self.keys, &KeyOfSlot, term);
            holding.unite(&self.holding(&self.said, &self.captions, term));
            // Terms of one written word are held together or not at all.
            match words.iter_mut().find(|(word, _)| word == written) {
                Some((_, all)) => all.intersect(&holding),
                None => words.push((written, holding)),
            }
        }
        words.iter().for_each(|(_, holding)| bits.unite(holding));
        bits
    }

    /// How rare each term is among the pictures that searches can find.
    pub(crate) fn rarities(&self, terms: &[(String, String)]) -> Vec<f32> {
        let shown = self.shown.count();
        let count = |term: &str| {
            let listed = self.keys.documents_with(term) + self.said.documents_with(term);
            if listed > MAX_COUNTED {
                return listed.min(shown);
            }
            let mut holding = self.holding(&self.keys, &KeyOfSlot, term);
            holding.unite(&self.holding(&self.said, &self.captions, term));
            holding.intersect(&self.shown);
            holding.count()
        };
        terms.iter().map(|(term, _)| rarity(shown, count(term))).collect()
    }

    fn retain_keys(&self, bits: &mut Bits, prefixes: &Values<String>) {
        if !prefixes.is_empty() {
            retain_values(bits, prefixes, |prefix| self.pictures.with_prefix(prefix));
        }
    }

    fn retain_facts(&self, bits: &mut Bits, filter: &Filter) {
        let pictures = &self.pictures;
        let micros = |at: Option<jiff::Timestamp>| at.map(jiff::Timestamp::as_microsecond);
        for (column, from, before) in [
            (MomentColumn::Taken, filter.taken_after, filter.taken_before),
            (MomentColumn::Modified, filter.modified_after, filter.modified_before),
        ] {
            if from.is_some() || before.is_some() {
                pictures.retain_moment(bits, column, micros(from), micros(before));
            }
        }
        if !filter.formats.is_empty() {
            let is = |format: &str, name: &String| name.to_lowercase() == format;
            pictures.retain_format(bits, |format| filter.formats.admits(|name| is(format, name)));
        }
        if filter.min_width.is_some() || filter.min_height.is_some() {
            let (least_width, least_height) =
                (filter.min_width.unwrap_or(0), filter.min_height.unwrap_or(0));
            pictures
                .retain_shape(bits, |width, height| width >= least_width && height >= least_height);
        }
        if !filter.orientation.is_empty() {
            pictures.retain_shape(bits, |width, height| {
                filter.orientation.admits(|shape| *shape == shape_of(width, height))
            });
        }
        if filter.min_size_bytes.is_some() || filter.max_size_bytes.is_some() {
            let sizes =
                filter.min_size_bytes.unwrap_or(0)..=filter.max_size_bytes.unwrap_or(u64::MAX);
            pictures.retain_size(bits, |size| sizes.contains(&size));
        }
        if !filter.place.is_empty() {
            pictures.retain_place(bits, |latitude, longitude| {
                filter.place.admits(|place| is_within(*place, latitude, longitude))
            });
        }
    }

    fn retain_missing(&self, bits: &mut Bits, missing: &[MissingFact]) {
        for fact in missing {
            match fact {
                MissingFact::TakenAt => self.pictures.retain_undated(bits),
                MissingFact::Place => self.pictures.retain_place(bits, |latitude, longitude| {
                    latitude.is_nan() || longitude.is_nan()
                }),
                MissingFact::Caption => {
                    let captioned =
                        bits.iter().filter(|slot| self.captions.current(*slot).is_some());
                    let captioned: Bits = captioned.collect();
                    bits.subtract(&captioned);
                }
                MissingFact::Keywords => {
                    let tagged = bits.iter().filter(|slot| self.captions.has_keywords(*slot));
                    let tagged: Bits = tagged.collect();
                    bits.subtract(&tagged);
                }
            }
        }
    }
}

/// Keeps the pictures that have all, any or none of some values.
fn retain_values<T>(bits: &mut Bits, values: &Values<T>, of: impl Fn(&T) -> Bits) {
    values.all.iter().for_each(|value| bits.intersect(&of(value)));
    let any = values.any.iter().map(&of).reduce(|mut all, more| {
        all.unite(&more);
        all
    });
    if let Some(any) = any {
        bits.intersect(&any);
    }
    values.none.iter().for_each(|value| bits.subtract(&of(value)));
}

fn shape_of(width: u32, height: u32) -> PictureShape {
    match width.cmp(&height) {
        std::cmp::Ordering::Greater => PictureShape::Landscape,
        std::cmp::Ordering::Less => PictureShape::Portrait,
        std::cmp::Ordering::Equal => PictureShape::Square,
    }
}

/// Whether a place lies in a box, its edges included. An unknown one (NaN) lies in none.
fn is_within(place: Place, latitude: f64, longitude: f64) -> bool {
    let (from, to) = (longitude >= place.west, longitude <= place.east);
    let between = if place.west <= place.east { from && to } else { from || to };
    latitude >= place.south && latitude <= place.north && between
}
