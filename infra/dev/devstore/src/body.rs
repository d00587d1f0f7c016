//! The file of an object: its bytes, then its metadata as JSON, then the length of that JSON.
//!
//! With one file per object, one rename publishes the bytes and their ETag together, and readers of
//! the former file still see all of it.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    time::SystemTime,
};

use futures::StreamExt;
use s3s::{
    S3Error, S3ErrorCode, S3Result,
    crypto::{Checksum, Md5},
    dto::StreamingBlob,
};
use serde::{Deserialize, Serialize};
use tempfile::{NamedTempFile, TempPath};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter};

const BUFFER_BYTES: usize = 256 * 1024;
const LENGTH_BYTES: u64 = 8;

/// Metadata of one object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ObjectInfo {
    pub(crate) key: String,
    pub(crate) etag: String,
    pub(crate) size_bytes: u64,
    pub(crate) last_modified: SystemTime,
    #[serde(flatten)]
    pub(crate) labels: Labels,
}

/// Metadata that the writer of an object gives.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Labels {
    pub(crate) content_type: Option<String>,
    pub(crate) metadata: Option<HashMap<String, String>>,
}

/// Bytes that arrive, in a temporary file that is removed unless it becomes an object.
pub(crate) struct BodyWriter {
    path: TempPath,
    file: BufWriter<tokio::fs::File>,
    md5: Md5,
    size_bytes: u64,
}

/// Bytes that have arrived in full; dropping them removes the file.
pub(crate) struct UploadedPart {
    pub(crate) path: TempPath,
    pub(crate) md5: [u8; 16],
    pub(crate) size_bytes: u64,
}

/// A complete object file, still without its final name.
pub(crate) struct SealedBody {
    pub(crate) path: TempPath,
    pub(crate) about: ObjectInfo,
}

impl BodyWriter {
    pub(crate) fn create(folder: &Path) -> S3Result<Self> {
        let (file, path) =
            NamedTempFile::new_in(folder).map_err(S3Error::internal_error)?.into_parts();
        let file = BufWriter::with_capacity(BUFFER_BYTES, tokio::fs::File::from_std(file));
        Ok(Self { path, file, md5: Md5::new(), size_bytes: 0 })
    }

    /// Writes a request's whole body; a broken upload is an error and leaves no file.
    pub(crate) async fn receive(mut self, body: Option<StreamingBlob>) -> S3Result<Self> {
        let Some(mut body) = body else { return Ok(self) };
        while let Some(bytes) = body.next().await {
            let bytes =
                bytes.map_err(|error| S3Error::with_source(S3ErrorCode::IncompleteBody, error))?;
            self.write(&bytes).await.map_err(S3Error::internal_error)?;
        }
        Ok(self)
    }

    /// Appends the bytes of a stored file up to `size_bytes`.
    pub(crate) async fn append(&mut self, file: File, size_bytes: u64) -> io::Result<()> {
        let mut source = tokio::fs::File::from_std(file).take(size_bytes);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match source.read(&mut buffer).await? {
                0 => return Ok(()),
                count => self.write(&buffer[..count]).await?,
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.md5.update(bytes);
        self.size_bytes += bytes.len() as u64;
        self.file.write_all(bytes).await
    }

    /// Completes one part of a multipart upload.
    pub(crate) async fn into_part(mut self) -> io::Result<UploadedPart> {
        self.file.flush().await?;
        Ok(UploadedPart { path: self.path, md5: self.md5.finalize(), size_bytes: self.size_bytes })
    }

    /// Completes an object. Without `etag`, the MD5 of the bytes is used.
    pub(crate) async fn seal(
        mut self,
        key: String,
        etag: Option<String>,
        labels: Labels,
    ) -> io::Result<SealedBody> {
        let etag = etag.unwrap_or_else(|| hex::encode(self.md5.finalize()));
        let about = ObjectInfo {
            key,
            etag,
            size_bytes: self.size_bytes,
            last_modified: SystemTime::now(),
            labels,
        };
        let footer = serde_json::to_vec(&about)?;
        self.file.write_all(&footer).await?;
        self.file.write_all(&(footer.len() as u64).to_be_bytes()).await?;
        self.file.flush().await?;
        Ok(SealedBody { path: self.path, about })
    }
}

/// Reads the metadata of an object from its file.
pub(crate) fn read_about(path: &Path) -> io::Result<ObjectInfo> {
    let mut file = File::open(path)?;
    let end = file.metadata()?.len();
    let broken =
        || io::Error::other(format!("{} is not an object file of this store", path.display()));
    let length_at = end.checked_sub(LENGTH_BYTES).ok_or_else(broken)?;
    file.seek(SeekFrom::Start(length_at))?;
    let mut length = [0; LENGTH_BYTES as usize];
    file.read_exact(&mut length)?;
    let footer_at = length_at.checked_sub(u64::from_be_bytes(length)).ok_or_else(broken)?;
    file.seek(SeekFrom::Start(footer_at))?;
    let mut footer = Vec::new();
    file.take(length_at - footer_at).read_to_end(&mut footer)?;
    let about: ObjectInfo = serde_json::from_slice(&footer).map_err(|_| broken())?;
    if about.size_bytes == footer_at { Ok(about) } else { Err(broken()) }
}
