//! A store whose immutable objects are read through the cache.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetRange, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::block_cache::BlockCache;
use super::block_reader::BlockReader;

/// Folders of a table whose objects are never written a second time. Manifests are, if a table is
/// dropped and made anew.
const IMMUTABLE: [&str; 3] = ["data", "_indices", "_deletions"];

/// A store with a cache before it. Everything but reads of immutable objects passes through.
#[derive(Debug)]
pub(super) struct CachedStore {
    inner: Arc<dyn ObjectStore>,
    blocks: BlockReader,
}

impl CachedStore {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, cache: Arc<BlockCache>) -> Self {
        Self { blocks: BlockReader::new(Arc::clone(&inner), cache), inner }
    }
}

fn is_immutable(path: &Path) -> bool {
    let mut parts = path.parts().skip_while(|part| !part.as_ref().ends_with(".lance")).skip(1);
    parts.next().is_some_and(|folder| IMMUTABLE.contains(&folder.as_ref()))
}

fn is_plain(options: &GetOptions) -> bool {
    options.if_match.is_none()
        && options.if_none_match.is_none()
        && options.if_modified_since.is_none()
        && options.if_unmodified_since.is_none()
        && options.version.is_none()
}

impl std::fmt::Display for CachedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for CachedStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if !is_plain(&options) || !is_immutable(location) {
            return self.inner.get_opts(location, options).await;
        }
        if options.head {
            return self.blocks.head(location, options).await;
        }
        let wanted = match &options.range {
            None => Some(0..u64::MAX),
            Some(GetRange::Bounded(range)) => Some(range.clone()),
            Some(GetRange::Offset(start)) => Some(*start..u64::MAX),
            Some(GetRange::Suffix(_)) => None,
        };
        if let Some(wanted) = wanted.filter(|wanted| wanted.start < wanted.end)
            && let Some(result) = self.blocks.read(location, wanted).await?
        {
            return Ok(result);
        }
        self.inner.get_opts(location, options).await
    }

    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_that_are_never_written_again_are_immutable() {
        let folder = "pictures/.bucketlens/tables/embeddings_a.lance";
        for name in ["data/1.lance", "_indices/2/index.idx", "_deletions/0-1-2.arrow"] {
            assert!(is_immutable(&Path::from(format!("{folder}/{name}"))), "{name}");
        }
        for name in ["_versions/18446744073709551614.manifest", "_versions/latest", "data"] {
            let is_folder = name == "data";
            assert_eq!(is_immutable(&Path::from(format!("{folder}/{name}"))), is_folder, "{name}");
        }
        assert!(!is_immutable(&Path::from("data/1.lance")));
        assert!(!is_immutable(&Path::from("")));
    }
}
