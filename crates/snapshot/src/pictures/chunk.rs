//! Some thousands of neighbouring pictures, in columns.

use std::io::{self, Write};
use std::ops::Range;

use crate::saved::{DamagedSave, SavedBytes, put_number, put_values};

/// Pictures of a full chunk. A publication copies at most one chunk. Fits into `u16`.
pub(crate) const CHUNK: usize = 16_384;
/// Stands for "no moment" in columns of moments.
pub(crate) const NO_MOMENT: i64 = i64::MIN;

/// What is known about a picture that a filter, an order or a hit needs.
#[derive(Debug, Clone, PartialEq)]
pub struct PictureEntry {
    /// Its identity.
    pub id: u128,
    /// Hash of bucket and key.
    pub object: u64,
    /// Hash of the bytes.
    pub content: u64,
    /// Object key.
    pub key: String,
    /// Format, as the tables name it.
    pub format: String,
    /// When the object was written, in microseconds since 1970.
    pub modified: Option<i64>,
    /// When its row was written.
    pub written: i64,
    /// When the picture was taken.
    pub taken: Option<i64>,
    /// In pixels, as displayed.
    pub width: u32,
    /// In pixels, as displayed.
    pub height: u32,
    /// Bytes of the original.
    pub size: u64,
    /// Latitude and longitude in degrees.
    pub place: Option<(f64, f64)>,
    /// Where its record lies.
    pub record: u64,
}

/// The columns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chunk {
    pub(crate) ids: Vec<u128>,
    pub(crate) objects: Vec<u64>,
    pub(crate) contents: Vec<u64>,
    pub(crate) modified: Vec<i64>,
    pub(crate) written: Vec<i64>,
    pub(crate) taken: Vec<i64>,
    pub(crate) widths: Vec<u32>,
    pub(crate) heights: Vec<u32>,
    pub(crate) sizes: Vec<u64>,
    /// NaN: no place.
    pub(crate) latitudes: Vec<f64>,
    pub(crate) longitudes: Vec<f64>,
    pub(crate) records: Vec<u64>,
    /// Places in the list of formats.
    pub(crate) formats: Vec<u16>,
    keys: Vec<u8>,
    key_ends: Vec<u32>,
    // The places in the order of their keys; empty until the chunk is full.
    by_key: Vec<u16>,
}

impl Chunk {
    /// Adds a picture whose format has this place in the list of formats.
    pub(crate) fn push(&mut self, picture: &PictureEntry, format: u16) {
        self.ids.push(picture.id);
        self.objects.push(picture.object);
        self.contents.push(picture.content);
        self.modified.push(picture.modified.unwrap_or(NO_MOMENT));
        self.written.push(picture.written);
        self.taken.push(picture.taken.unwrap_or(NO_MOMENT));
        self.widths.push(picture.width);
        self.heights.push(picture.height);
        self.sizes.push(picture.size);
        let (latitude, longitude) = picture.place.unwrap_or((f64::NAN, f64::NAN));
        self.latitudes.push(latitude);
        self.longitudes.push(longitude);
        self.records.push(picture.record);
        self.formats.push(format);
        self.keys.extend_from_slice(picture.key.as_bytes());
        self.key_ends.push(self.keys.len() as u32);
        if self.len() == CHUNK {
            self.close();
        }
    }

    fn close(&mut self) {
        let mut by_key: Vec<u16> = (0..self.len() as u16).collect();
        by_key.sort_unstable_by(|a, b| self.key(*a as usize).cmp(self.key(*b as usize)));
        self.by_key = by_key;
        self.keys.shrink_to_fit();
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The key of the picture at a place, as bytes of UTF-8.
    pub(crate) fn key(&self, place: usize) -> &[u8] {
        let begin = place.checked_sub(1).and_then(|before| self.key_ends.get(before));
        let end = self.key_ends.get(place).copied().unwrap_or(0) as usize;
        self.keys.get(begin.copied().unwrap_or(0) as usize..end).unwrap_or_default()
    }

    /// Calls `each` with the places of all pictures whose keys begin with `prefix`.
    pub(crate) fn with_prefix(&self, prefix: &[u8], each: impl FnMut(usize)) {
        if self.by_key.is_empty() {
            (0..self.len()).filter(|place| self.key(*place).starts_with(prefix)).for_each(each);
            return;
        }
        let key = |place: &u16| self.key(usize::from(*place));
        let begin = self.by_key.partition_point(|place| key(place) < prefix);
        let rest = self.by_key.get(begin..).unwrap_or_default();
        let count = rest.partition_point(|place| key(place).starts_with(prefix));
        rest.iter().take(count).map(|place| usize::from(*place)).for_each(each);
    }

    /// Bytes of memory, about.
    pub(crate) fn memory_bytes(&self) -> usize {
        const FIXED: usize = 16 + 9 * 8 + 2 * 4 + 2 + 4;
        self.ids.capacity() * FIXED + self.keys.capacity() + self.by_key.capacity() * 2
    }

    pub(crate) fn save(&self, out: &mut impl Write) -> io::Result<()> {
        put_values(out, &self.ids)?;
        for column in [&self.objects, &self.contents, &self.sizes, &self.records] {
            put_values(out, column)?;
        }
        for column in [&self.modified, &self.written, &self.taken] {
            put_values(out, column)?;
        }
        put_values(out, &self.widths)?;
        put_values(out, &self.heights)?;
        put_values(out, &self.latitudes)?;
        put_values(out, &self.longitudes)?;
        put_values(out, &self.formats)?;
        put_values(out, &self.keys)?;
        put_values(out, &self.key_ends)?;
        put_values(out, &self.by_key)?;
        put_number(out, self.len() as u64)
    }

    pub(crate) fn load(saved: &mut SavedBytes<'_>) -> Result<Self, DamagedSave> {
        let ids = saved.values()?;
        let [objects, contents, sizes, records] =
            [saved.values()?, saved.values()?, saved.values()?, saved.values()?];
        let [modified, written, taken] = [saved.values()?, saved.values()?, saved.values()?];
        let [widths, heights] = [saved.values()?, saved.values()?];
        let [latitudes, longitudes] = [saved.values()?, saved.values()?];
        let formats = saved.values()?;
        let (keys, key_ends, by_key) = (saved.values()?, saved.values()?, saved.values()?);
        let chunk = Self {
            ids,
            objects,
            contents,
            modified,
            written,
            taken,
            widths,
            heights,
            sizes,
            latitudes,
            longitudes,
            records,
            formats,
            keys,
            key_ends,
            by_key,
        };
        let rows = saved.length()?;
        if chunk.is_whole(rows) { Ok(chunk) } else { Err(DamagedSave) }
    }

    fn is_whole(&self, rows: usize) -> bool {
        let longs = [&self.objects, &self.contents, &self.sizes, &self.records];
        let moments = [&self.modified, &self.written, &self.taken];
        rows <= CHUNK
            && self.ids.len() == rows
            && longs.iter().all(|column| column.len() == rows)
            && moments.iter().all(|column| column.len() == rows)
            && [&self.widths, &self.heights].iter().all(|column| column.len() == rows)
            && [&self.latitudes, &self.longitudes].iter().all(|column| column.len() == rows)
            && self.formats.len() == rows
            && self.key_ends.len() == rows
            && self.key_ends.is_sorted()
            && self.key_ends.last().map_or(0, |end| *end as usize) == self.keys.len()
            && (self.by_key.is_empty() || self.by_key.len() == rows)
            && self.by_key.iter().all(|place| usize::from(*place) < rows)
    }
}

/// A hash of some texts, for [`PictureEntry::object`] and [`PictureEntry::content`]. Texts are told
/// apart: none of theirs holds a zero byte.
pub fn text_hash(texts: &[&str]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(texts.join("\0").as_bytes())
}

/// The slots of the chunk with this number.
pub(crate) fn slots_of(number: usize, rows: usize) -> Range<usize> {
    number * CHUNK..number * CHUNK + rows
}
