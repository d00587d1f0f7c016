//! The catalogue: models that can be fetched by name. Each is one file of data in
//! `crates/inference/catalogue/`, which says where the model's files are and how to run them.

mod entry;
mod layout;
mod recipe;

use std::sync::LazyLock;

pub use entry::{Entry, EntryFile, Repository};
pub use layout::{ConfigFile, ImportHints, Layout};
pub use recipe::{Recipe, RemoteFile};

/// The texts of all entries.
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

// A test checks that every text parses.
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
