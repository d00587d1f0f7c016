//! Rows as a large library has them: vectors in clusters, words of Zipf frequency, and dates,
//! places, folders and keywords of which filters keep known shares.

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal, Zipf};
use table::captions::CaptionText;
use table::schema::Facts;

use crate::words::{CHINESE, FOLDERS, KEYWORDS, SHARES, VOCABULARY, word};

/// Pictures are taken within so many seconds since 1970, in no order.
pub(crate) const TAKEN_WITHIN_S: i64 = 50 * 365 * 24 * 3600;
/// Share of rows without a date, and without a place.
const UNDATED: f64 = 0.05;
const UNPLACED: f64 = 0.1;
/// Latitudes and longitudes of places, in degrees.
pub(crate) const LATITUDES: [f64; 2] = [-60.0, 70.0];
pub(crate) const LONGITUDES: [f64; 2] = [-180.0, 180.0];

/// Deviation of a picture's values from its cluster's, whose own deviate by 1.
const SPREAD: f32 = 0.9;
/// Length of what a caption's vector differs by from its picture's, of length 1.
const CAPTION_SPREAD: f32 = 0.5;
/// Exponent of the frequency of words.
const ZIPF: f64 = 1.05;
/// The first ranks are left out, as stop words are: the most frequent word left is in one of
/// fifteen captions.
const LEFT_OUT: usize = 20;
/// Words of a caption: of any kind, and of the few that its cluster has.
const COMMON_WORDS: usize = 8;
const OWN_WORDS: usize = 4;
const WORDS_OF_CLUSTER: usize = 12;

/// A row of every table, and what filters look at.
pub(crate) struct GeneratedRow {
    pub(crate) facts: Facts,
    pub(crate) said: CaptionText,
    /// Unit vectors.
    pub(crate) picture: Vec<f32>,
    pub(crate) caption: Vec<f32>,
    /// Position in [`FOLDERS`].
    pub(crate) folder: u8,
    /// Bit i: it has the keyword i of [`KEYWORDS`].
    pub(crate) keywords: u8,
}

/// Draws rows; the same seed draws the same ones.
pub(crate) struct RowGenerator {
    random: StdRng,
    seed: u64,
    centres: Vec<Vec<f32>>,
    frequency: Zipf<f64>,
}

impl RowGenerator {
    pub(crate) fn new(centres: Vec<Vec<f32>>, seed: u64) -> anyhow::Result<Self> {
        anyhow::ensure!(!centres.is_empty(), "there is no centre");
        let frequency = Zipf::new((LEFT_OUT + VOCABULARY) as f64, ZIPF)?;
        Ok(Self { random: StdRng::seed_from_u64(seed), seed, centres, frequency })
    }

    /// A picture's vector of a random cluster.
    pub(crate) fn vector(&mut self) -> Vec<f32> {
        let cluster = self.random.random_range(0..self.centres.len());
        self.picture(cluster)
    }

    /// The row with this number, which makes its id and its key unique.
    pub(crate) fn row(&mut self, number: u64) -> GeneratedRow {
        let cluster = self.random.random_range(0..self.centres.len());
        let picture = self.picture(cluster);
        let caption = self.caption_vector(&picture);
        let (folder, keywords) = (self.folder(), self.keywords());
        let facts = self.facts(number, folder);
        let said = self.said(cluster, keywords);
        GeneratedRow { facts, said, picture, caption, folder: folder as u8, keywords }
    }

    /// What somebody may ask who looks for this caption: two to four of its words, or one in ten
    /// times two Chinese ones.
    pub(crate) fn text(&mut self, said: &CaptionText) -> String {
        if self.random.random_bool(0.1) {
            return CHINESE.choose_multiple(&mut self.random, 2).copied().collect();
        }
        let words: Vec<&str> = said.caption.split(' ').collect();
        let count = self.random.random_range(2..=4);
        words.choose_multiple(&mut self.random, count).copied().collect::<Vec<_>>().join(" ")
    }

    fn picture(&mut self, cluster: usize) -> Vec<f32> {
        let Self { random, centres, .. } = self;
        let centre = centres.get(cluster).map(Vec::as_slice).unwrap_or_default();
        unit(centre.iter().map(|x| x + SPREAD * normal(random)).collect())
    }

    fn caption_vector(&mut self, picture: &[f32]) -> Vec<f32> {
        let spread = CAPTION_SPREAD / (picture.len() as f32).sqrt();
        unit(picture.iter().map(|x| x + spread * normal(&mut self.random)).collect())
    }

    fn folder(&mut self) -> usize {
        let mut left: f64 = self.random.random();
        for (folder, share) in SHARES.iter().enumerate() {
            if left < *share {
                return folder;
            }
            left -= share;
        }
        FOLDERS.len() - 1
    }

    fn keywords(&mut self) -> u8 {
        let mut bits = 0;
        for (bit, share) in SHARES.iter().enumerate() {
            bits |= u8::from(self.random.random_bool(*share)) << bit;
        }
        bits
    }

    fn any_word(&mut self) -> String {
        loop {
            // Ranks begin with 1.
            let rank = self.frequency.sample(&mut self.random) as usize;
            if rank > LEFT_OUT {
                return word(rank - LEFT_OUT - 1);
            }
        }
    }

    fn facts(&mut self, number: u64, folder: usize) -> Facts {
        let id = id(self.seed, number);
        let (first, second, third) = (self.any_word(), self.any_word(), self.any_word());
        let top = FOLDERS.get(folder).copied().unwrap_or_default();
        let taken = (!self.random.random_bool(UNDATED))
            .then(|| self.random.random_range(0..TAKEN_WITHIN_S));
        let place = (!self.random.random_bool(UNPLACED)).then(|| {
            let [south, north] = LATITUDES;
            let [west, east] = LONGITUDES;
            (self.random.random_range(south..north), self.random.random_range(west..east))
        });
        let (width, height) =
            if self.random.random_bool(0.7) { (4000, 3000) } else { (3000, 4000) };
        Facts {
            image_id: id.clone(),
            bucket: "generated".into(),
            key: format!("{top}/{first}-{second}/IMG_{number:07}-{third}.jpg"),
            etag: number.to_string(),
            size_bytes: self.random.random_range(1_000_000..6_000_000),
            last_modified: Timestamp::from_second(1_700_000_000 + number as i64).ok(),
            format: "jpeg".into(),
            width,
            height,
            orientation: 1,
            taken_at: taken.and_then(|second| Timestamp::from_second(second).ok()),
            taken_offset_minutes: None,
            camera: None,
            latitude: place.map(|(latitude, _)| latitude),
            longitude: place.map(|(_, longitude)| longitude),
            content_hash: format!("{id}{id}"),
            phash: self.random.random(),
        }
    }

    fn said(&mut self, cluster: usize, bits: u8) -> CaptionText {
        let mut words: Vec<String> = (0..COMMON_WORDS).map(|_| self.any_word()).collect();
        for _ in 0..OWN_WORDS {
            let own = cluster * WORDS_OF_CLUSTER + self.random.random_range(0..WORDS_OF_CLUSTER);
            words.push(word((mixed(own as u64) % VOCABULARY as u64) as usize));
        }
        let chinese: Vec<&str> = CHINESE.choose_multiple(&mut self.random, 3).copied().collect();
        let filtered = KEYWORDS.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
        let mut keywords: Vec<String> = filtered.map(|(_, keyword)| (*keyword).into()).collect();
        for keyword in
            words.iter().rev().take(3).map(String::as_str).chain(chinese.first().copied())
        {
            if !keywords.iter().any(|known| known == keyword) {
                keywords.push(keyword.to_owned());
            }
        }
        CaptionText {
            caption: words.join(" "),
            language: "en".into(),
            others: vec![("zh".into(), chinese.join("的"))],
            keywords,
            provider: "generated".into(),
            prompt_hash: "0".into(),
        }
    }
}

/// 32 hexadecimal digits, evenly spread like a hash.
pub(crate) fn id(seed: u64, number: u64) -> String {
    let first = mixed(number ^ mixed(seed));
    format!("{first:016x}{:016x}", mixed(first))
}

/// The output function of SplitMix64: another number for each.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn normal(random: &mut StdRng) -> f32 {
    StandardNormal.sample(random)
}

fn unit(vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.into_iter().map(|x| x / length).collect()
}
