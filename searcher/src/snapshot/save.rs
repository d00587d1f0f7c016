//! The copy of a snapshot for the next start, which then reads only what has changed since.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};

use ::snapshot::bits::Bits;
use ::snapshot::ids::{SlotById, SlotsByObject};
use ::snapshot::pictures::Pictures;
use ::snapshot::saved::{DamagedSave, SavedBytes, put_number, put_values};
use ::snapshot::sections::{read_section, write_section};
use ::snapshot::vectors::Vectors;
use ::snapshot::words::WordIndex;

use super::SearchSnapshot;
use super::build::{RowTally, SnapshotBuild};
use super::caption_rows::CaptionRows;
use super::changes::{KnownFragment, KnownTable};
use super::local::SnapshotFiles;

/// What a copy begins with. Another release with another format makes its own.
const FORMAT: &[u8] = b"bucketlens snapshot 1\n";

/// Everything that a copy holds.
pub(super) struct SavedState {
    pub(super) identity: String,
    pub(super) snapshot: SearchSnapshot,
    pub(super) tables: [KnownTable; 3],
    pub(super) counts: [RowTally; 3],
}

impl SavedState {
    /// Writes the copy beside the former one, and then takes its place.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(super) fn write(&self, files: &SnapshotFiles) -> io::Result<()> {
        let Some(path) = files.state() else { return Ok(()) };
        let new = path.with_extension("new");
        let mut out = BufWriter::with_capacity(1 << 20, File::create(&new)?);
        self.write_sections(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_data()?;
        std::fs::rename(new, path)
    }

    fn write_sections(&self, out: &mut BufWriter<File>) -> io::Result<()> {
        let snapshot = &self.snapshot;
        write_section(out, |mut out| {
            out.write_all(FORMAT)?;
            put_values(&mut out, self.identity.as_bytes())?;
            put_number(&mut out, snapshot.records.end())?;
            for vectors in [&snapshot.image_vectors, &snapshot.caption_vectors] {
                put_number(&mut out, vectors.as_ref().map_or(0, |known| known.dim() as u64))?;
                put_number(&mut out, vectors.as_ref().map_or(0, |v| u64::from(v.file_rows())))?;
            }
            Ok(())
        })?;
        write_section(out, |mut out| {
            self.tables.iter().try_for_each(|table| put_table(&mut out, table))?;
            self.counts.iter().try_for_each(|counts| put_values(&mut out, &counts.0))?;
            put_values(&mut out, snapshot.shown.words())?;
            put_values(&mut out, snapshot.listed.words())
        })?;
        write_section(out, |mut out| snapshot.pictures.save(&mut out))?;
        write_section(out, |mut out| snapshot.captions.save(&mut out))?;
        for words in [&snapshot.keys, &snapshot.said, &snapshot.keywords] {
            write_section(out, |mut out| words.save(&mut out))?;
        }
        for vectors in [&snapshot.image_vectors, &snapshot.caption_vectors].into_iter().flatten() {
            write_section(out, |mut out| vectors.save(&mut out))?;
        }
        Ok(())
    }
}

/// Reads the copy of a former process; `None` if there is none that fits.
pub(super) fn read(
    files: &SnapshotFiles,
    identity: &str,
) -> Option<(SnapshotBuild, [KnownTable; 3])> {
    let path = files.state()?;
    let file = File::open(&path).ok()?;
    let read = read_sections(file, files, identity);
    if read.is_none() {
        tracing::info!(
            path = %path.display(),
            "the copy of the snapshot is damaged or of something else: it is made anew"
        );
    }
    read
}

fn read_sections(
    file: File,
    files: &SnapshotFiles,
    identity: &str,
) -> Option<(SnapshotBuild, [KnownTable; 3])> {
    let mut left = file.metadata().ok()?.len();
    let mut file = BufReader::with_capacity(1 << 20, file);
    let mut next = || read_section(&mut file, &mut left).ok();
    let head = next()?;
    let mut head = SavedBytes(head.strip_prefix(FORMAT)?);
    if head.values::<u8>().ok()? != identity.as_bytes() {
        return None;
    }
    let records = files.records(head.number().ok()?).ok()?;
    let mut sizes = Vec::new();
    for _ in 0..2 {
        sizes.push((head.length().ok()?, u32::try_from(head.number().ok()?).ok()?));
    }
    let tables = next()?;
    let (tables, counts, [shown, listed]) = take_tables(&mut SavedBytes(&tables)).ok()?;
    let pictures = Pictures::load(&mut SavedBytes(&next()?)).ok()?;
    let captions = CaptionRows::load(&mut SavedBytes(&next()?)).ok()?;
    let mut words = Vec::new();
    for _ in 0..3 {
        words.push(WordIndex::load(&next()?).ok()?);
    }
    let mut vectors = Vec::new();
    for (place, (dim, rows)) in sizes.into_iter().enumerate() {
        vectors.push(match dim {
            0 => None,
            dim => {
                let file = files.vectors(place == 1, dim, rows).ok()?;
                Some(Vectors::load(next()?.as_slice(), file).ok()?)
            }
        });
    }
    let (caption_vectors, image_vectors) = (vectors.pop()?, vectors.pop()?);
    let [embedded, captioned, imaged] = counts;
    let (keywords, said, keys) = (words.pop()?, words.pop()?, words.pop()?);
    let build = SnapshotBuild {
        ids: SlotById::of(&pictures).into(),
        objects: SlotsByObject::of(&pictures),
        pictures,
        captions,
        keys,
        said,
        keywords,
        shown: shown.into(),
        listed: listed.into(),
        embedded,
        captioned,
        imaged,
        ..SnapshotBuild::new(records, image_vectors, caption_vectors)
    };
    Some((build, tables))
}

fn put_table(out: &mut impl Write, table: &KnownTable) -> io::Result<()> {
    put_number(out, table.version)?;
    put_number(out, table.fragments.len() as u64)?;
    for (id, fragment) in &table.fragments {
        put_number(out, *id)?;
        let (version, name) = fragment.deletions.unwrap_or((u64::MAX, u64::MAX));
        put_number(out, version)?;
        put_number(out, name)?;
        put_values(out, &fragment.numbers)?;
    }
    Ok(())
}

fn take_table(saved: &mut SavedBytes<'_>) -> Result<KnownTable, DamagedSave> {
    let mut table = KnownTable { version: saved.number()?, ..KnownTable::default() };
    for _ in 0..saved.number()? {
        let id = saved.number()?;
        let deletions = (saved.number()?, saved.number()?);
        let deletions = (deletions != (u64::MAX, u64::MAX)).then_some(deletions);
        table.fragments.insert(id, KnownFragment { numbers: saved.values()?, deletions });
    }
    table.count_rows();
    Ok(table)
}

type TakenTables = ([KnownTable; 3], [RowTally; 3], [Bits; 2]);

fn take_tables(saved: &mut SavedBytes<'_>) -> Result<TakenTables, DamagedSave> {
    let tables = [take_table(saved)?, take_table(saved)?, take_table(saved)?];
    let counts = [saved.values()?, saved.values()?, saved.values()?].map(RowTally);
    let bits = [saved.values()?, saved.values()?].map(Bits::from);
    Ok((tables, counts, bits))
}
