//! The models that are known by name: where their files are and how they are run. Data, not code:
//! one file each in `crates/inference/catalogue/`.

mod entry;
mod recipe;

use std::sync::LazyLock;

pub use entry::{Entry, EntryFile, ImportHints, Layout, Repository};
pub use recipe::{Recipe, RemoteFile};

/// Text of each entry that is compiled in.
static TEXTS: &[&str] = &[
    include_str!("../../catalogue/siglip2-base-patch16-224.toml"),
    include_str!("../../catalogue/clip-vit-base-patch32.toml"),
    include_str!("../../catalogue/clip-vit-large-patch14.toml"),
    include_str!("../../catalogue/chinese-clip-vit-base-patch16.toml"),
    include_str!("../../catalogue/chinese-clip-vit-large-patch14.toml"),
    include_str!("../../catalogue/dinov3-vits16.toml"),
    include_str!("../../catalogue/dinov3-vitb16.toml"),
    include_str!("../../catalogue/immich-vit-b-32-openai.toml"),
    include_str!("../../catalogue/immich-vit-l-14-openai.toml"),
    include_str!("../../catalogue/immich-vit-b-16-siglip2-webli.toml"),
];

// Every text parses: a test holds us to that.
static ENTRIES: LazyLock<Vec<Entry>> =
    LazyLock::new(|| TEXTS.iter().filter_map(|text| Entry::parse(text).ok()).collect());

/// All entries.
pub fn entries() -> &'static [Entry] {
    &ENTRIES
}

/// The ids of all entries.
pub fn ids() -> Vec<&'static str> {
    ENTRIES.iter().map(|entry| entry.id.as_str()).collect()
}

/// The entry with this id.
pub fn find(id: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.id == id)
}

#[cfg(test)]
mod tests;
