//! The download of one file: resumed where it broke off, verified, and renamed to its final name
//! only when it is whole.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use reqwest::{Response, StatusCode};
use service::http::client::root_cause;
use tokio::io::AsyncWriteExt;

use super::hub::{Hub, HubFile, HubRevision};

/// Connections in a row that may bring nothing before the download fails.
const IDLE_ATTEMPTS: u32 = 5;

/// The download of files of one revision.
pub(super) struct Download<'a> {
    pub(super) hub: &'a Hub,
    pub(super) revision: &'a HubRevision,
    pub(super) bar: &'a ProgressBar,
}

impl Download<'_> {
    /// Fetches a file to `target` and returns its SHA-256. A file that is whole is not fetched
    /// again, nor is the part of it that an earlier attempt left in `<target>.part`.
    ///
    /// # Errors
    /// The hub does not give the file, its content has another checksum, or it cannot be written.
    pub(super) async fn fetch(&self, file: &HubFile, target: &Path) -> anyhow::Result<String> {
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)
                .with_context(|| format!("the folder {} cannot be made", parent.display()))?;
        }
        if target.is_file()
            && let Some(sha256) = verified(file, target).await?
        {
            self.bar.inc(file.bytes);
            return Ok(sha256);
        }
        let part = PathBuf::from(format!("{}.part", target.display()));
        // The part may come from another commit, or be damaged. Then the second round starts anew.
        for _ in 0..2 {
            let begun = self.bar.position();
            self.fill(file, &part).await?;
            if let Some(sha256) = verified(file, &part).await? {
                fs::rename(&part, target)
                    .with_context(|| format!("the file {} cannot be renamed", part.display()))?;
                return Ok(sha256);
            }
            self.bar.set_position(begun);
            remove(&part)?;
        }
        bail!(
            "the file {} of {} is not what the hub says it is (wrong checksum, twice): try another \
             endpoint with HF_ENDPOINT",
            file.path,
            self.revision.repo
        )
    }

    /// Appends to `part` until it has the size of the file.
    async fn fill(&self, file: &HubFile, part: &Path) -> anyhow::Result<()> {
        let HubFile { path, bytes: size, .. } = file;
        let mut have = fs::metadata(part).map_or(0, |found| found.len());
        if have > *size {
            remove(part)?;
            have = 0;
        }
        self.bar.inc(have);
        let mut idle = 0;
        while have < *size {
            let answer = self.hub.content(self.revision, path, have).await?;
            // A server without ranges sends the whole file.
            let from = if answer.status() == StatusCode::PARTIAL_CONTENT { have } else { 0 };
            self.bar.set_position(self.bar.position().saturating_sub(have - from));
            let (now, broken) = self.append(answer, part, from, *size).await?;
            idle = if now > have { 0 } else { idle + 1 };
            have = now;
            let Some(error) = broken else { continue };
            tracing::warn!(file = path, have, size, error, "the connection broke; resuming");
            if idle >= IDLE_ATTEMPTS {
                bail!(
                    "the file {path} of {} breaks off after {have} of {size} bytes, again and \
                     again: {error}",
                    self.revision.repo
                );
            }
        }
        if *size == 0 {
            File::create(part)
                .with_context(|| format!("the file {} cannot be made", part.display()))?;
        }
        Ok(())
    }

    /// Writes an answer behind the first `from` bytes of `part`. Returns how many bytes `part` has
    /// then, and why the answer ended early if it did.
    async fn append(
        &self,
        mut answer: Response,
        part: &Path,
        from: u64,
        size: u64,
    ) -> anyhow::Result<(u64, Option<String>)> {
        let failed = |error| write_error(error, part, size);
        let mut options = tokio::fs::OpenOptions::new();
        let mut file = options.create(true).append(true).open(part).await.map_err(failed)?;
        if from == 0 && file.metadata().await.map_err(failed)?.len() > 0 {
            file.set_len(0).await.map_err(failed)?;
        }
        let mut have = from;
        let broken = loop {
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
                    self.bar.inc(chunk.len() as u64);
                }
                Ok(None) if have < size => break Some(String::from("the answer ended early")),
                Ok(None) => break None,
                Err(error) => break Some(root_cause(&error)),
            }
        };
        file.flush().await.map_err(failed)?;
        file.sync_all().await.map_err(failed)?;
        Ok((have, broken))
    }
}

/// The SHA-256 of a file on the disk if it is what the hub says, else `None`.
async fn verified(file: &HubFile, path: &Path) -> anyhow::Result<Option<String>> {
    let (checksum, bytes, path) = (file.checksum.clone(), file.bytes, path.to_owned());
    Ok(tokio::task::spawn_blocking(move || checksum.verify(&path, bytes)).await??)
}

fn write_error(error: std::io::Error, part: &Path, size: u64) -> anyhow::Error {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => anyhow::anyhow!(
            "the disk is full at {} ({size} bytes are needed for this file): make room and run the \
             command again, it goes on there",
            part.display()
        ),
        _ => anyhow::Error::new(error)
            .context(format!("the file {} cannot be written", part.display())),
    }
}

fn remove(part: &Path) -> anyhow::Result<()> {
    match fs::remove_file(part) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("the file {} cannot be removed", part.display()))
        }
        _ => Ok(()),
    }
}
