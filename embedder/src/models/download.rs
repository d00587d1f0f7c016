//! One file from the hub: resumed, checked, and in its place only when whole.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use reqwest::{Response, StatusCode};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::hub::{Checksum, Hub, HubFile, reason};

/// Connections in a row that may bring nothing before it is given up.
const IDLE_ATTEMPTS: u32 = 5;

/// Which file of which commit.
pub(super) struct Wanted<'a> {
    pub(super) repo: &'a str,
    pub(super) commit: &'a str,
    pub(super) file: &'a HubFile,
}

/// Fetches a file to `target`, unless it is there and whole, and returns its SHA-256. What an
/// earlier attempt left in `<target>.part` is not fetched again.
///
/// # Errors
/// The hub does not give it, its content is not what the hub says, or the disk does not take it.
pub(super) async fn fetch(
    hub: &Hub,
    wanted: &Wanted<'_>,
    target: &Path,
    bar: &ProgressBar,
) -> anyhow::Result<String> {
    let HubFile { path, bytes, checksum } = wanted.file;
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)
            .with_context(|| format!("the folder {} cannot be made", parent.display()))?;
    }
    if target.is_file()
        && let Some(sha256) = whole(target.to_owned(), *bytes, checksum).await?
    {
        bar.inc(*bytes);
        return Ok(sha256);
    }
    let part = PathBuf::from(format!("{}.part", target.display()));
    // What was begun may be of another commit, or damaged: then once more from the beginning.
    for _ in 0..2 {
        let begun = bar.position();
        fill(hub, wanted, &part, bar).await?;
        if let Some(sha256) = whole(part.clone(), *bytes, checksum).await? {
            fs::rename(&part, target)
                .with_context(|| format!("the file {} cannot be renamed", part.display()))?;
            return Ok(sha256);
        }
        bar.set_position(begun);
        remove(&part)?;
    }
    bail!(
        "the file {path} of {} is not what the hub says it is (wrong checksum, twice): try another endpoint with HF_ENDPOINT",
        wanted.repo
    )
}

/// Appends to `part` until it has the size of the file.
async fn fill(
    hub: &Hub,
    wanted: &Wanted<'_>,
    part: &Path,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let size = wanted.file.bytes;
    let mut have = fs::metadata(part).map_or(0, |found| found.len());
    if have > size {
        remove(part)?;
        have = 0;
    }
    bar.inc(have);
    let mut idle = 0;
    while have < size {
        let answer = hub.content(wanted.repo, wanted.commit, &wanted.file.path, have).await?;
        let from = if answer.status() == StatusCode::PARTIAL_CONTENT { have } else { 0 };
        // A server without ranges begins again.
        bar.set_position(bar.position().saturating_sub(have - from));
        let (now, ended) = append(answer, part, from, size, bar).await?;
        idle = if now > have { 0 } else { idle + 1 };
        have = now;
        if let Some(error) = ended {
            tracing::warn!(
                file = wanted.file.path,
                have,
                size,
                error,
                "the connection broke; going on from there"
            );
            if idle >= IDLE_ATTEMPTS {
                bail!(
                    "the file {} of {} breaks off after {have} of {size} bytes, again and again: {error}",
                    wanted.file.path,
                    wanted.repo
                );
            }
        }
    }
    if size == 0 {
        File::create(part)
            .with_context(|| format!("the file {} cannot be made", part.display()))?;
    }
    Ok(())
}

/// Writes an answer behind the first `from` bytes. Says how many there are then, and what ended it
/// early.
async fn append(
    mut answer: Response,
    part: &Path,
    from: u64,
    size: u64,
    bar: &ProgressBar,
) -> anyhow::Result<(u64, Option<String>)> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => anyhow::anyhow!(
            "the disk is full at {} ({size} bytes are needed for this file): make room and run the command again, it goes on there",
            part.display()
        ),
        _ => anyhow::Error::new(error)
            .context(format!("the file {} cannot be written", part.display())),
    };
    let mut file =
        tokio::fs::OpenOptions::new().create(true).append(true).open(part).await.map_err(failed)?;
    if from == 0 && file.metadata().await.map_err(failed)?.len() > 0 {
        file.set_len(0).await.map_err(failed)?;
    }
    let mut have = from;
    let ended = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => {
                have += chunk.len() as u64;
                if have > size {
                    bail!(
                        "the hub sends more than the {size} bytes it announced for {}",
                        part.display()
                    );
                }
                file.write_all(&chunk).await.map_err(failed)?;
                bar.inc(chunk.len() as u64);
            }
            Ok(None) if have < size => break Some(String::from("the answer ended early")),
            Ok(None) => break None,
            Err(error) => break Some(reason(&error)),
        }
    };
    file.flush().await.map_err(failed)?;
    file.sync_all().await.map_err(failed)?;
    Ok((have, ended))
}

/// The SHA-256 of a file that has this size and checksum, else `None`.
async fn whole(path: PathBuf, bytes: u64, checksum: &Checksum) -> anyhow::Result<Option<String>> {
    let checksum = checksum.clone();
    let read = move || -> std::io::Result<Option<String>> {
        let mut file = File::open(path)?;
        if file.metadata()?.len() != bytes {
            return Ok(None);
        }
        let (mut sha256, mut git) = (Sha256::new(), Sha1::new());
        git.update(format!("blob {bytes}\0"));
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = file.read(&mut buffer)?;
            let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else { break };
            sha256.update(read);
            if matches!(checksum, Checksum::GitBlob(_)) {
                git.update(read);
            }
        }
        let sha256 = hex::encode(sha256.finalize());
        let good = match &checksum {
            Checksum::Sha256(wanted) => sha256.eq_ignore_ascii_case(wanted),
            Checksum::GitBlob(wanted) => hex::encode(git.finalize()).eq_ignore_ascii_case(wanted),
        };
        Ok(good.then_some(sha256))
    };
    Ok(tokio::task::spawn_blocking(read).await??)
}

fn remove(part: &Path) -> anyhow::Result<()> {
    match fs::remove_file(part) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("the file {} cannot be removed", part.display()))
        }
        _ => Ok(()),
    }
}
