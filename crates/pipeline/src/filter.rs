//! Which object keys are watched.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::Deserialize;

use service::SettingsError;
use service::settings::list;

/// `[filter]`: which keys are watched. All given conditions must hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterSettings {
    /// Only keys that begin with this text; also bounds the listing itself.
    pub prefix: String,
    /// Only keys that end with one of these (case does not matter); empty: any.
    #[serde(deserialize_with = "list")]
    pub suffixes: Vec<String>,
    /// Only keys that match one of these globs (`*` stays within one path level, `**` does not);
    /// empty: any.
    #[serde(deserialize_with = "list")]
    pub include: Vec<String>,
    /// No key that matches one of these globs.
    #[serde(deserialize_with = "list")]
    pub exclude: Vec<String>,
}

/// Compiled [`FilterSettings`]. Keys under the product's own prefix never match, whatever the
/// settings say: the tables are there, and indexing them would feed the pipeline its own output.
#[derive(Debug, Clone)]
pub struct KeyFilter {
    own_prefix: String,
    prefix: String,
    suffixes: Vec<String>,
    include: Option<GlobSet>,
    exclude: GlobSet,
}

impl KeyFilter {
    /// Compiles the settings; `own_prefix` is where the tables are (`.bucketlens/`).
    ///
    /// # Errors
    /// A glob that does not parse, named with its setting.
    pub fn new(settings: &FilterSettings, own_prefix: &str) -> Result<Self, SettingsError> {
        Ok(Self {
            own_prefix: own_prefix.to_owned(),
            prefix: settings.prefix.clone(),
            suffixes: settings.suffixes.iter().map(|s| s.to_lowercase()).collect(),
            include: if settings.include.is_empty() {
                None
            } else {
                Some(globs("filter.include", &settings.include)?)
            },
            exclude: globs("filter.exclude", &settings.exclude)?,
        })
    }

    /// Whether the object under `key` is watched. Zero-byte "folder" markers (keys ending in `/`)
    /// are not.
    pub fn matches(&self, key: &str) -> bool {
        !self.is_own(key)
            && !key.ends_with('/')
            && key.starts_with(&self.prefix)
            && (self.suffixes.is_empty() || self.has_suffix(key))
            && self.include.as_ref().is_none_or(|globs| globs.is_match(key))
            && !self.exclude.is_match(key)
    }

    /// Whether the object is one of the product's own.
    pub fn is_own(&self, key: &str) -> bool {
        key.starts_with(&self.own_prefix)
    }

    fn has_suffix(&self, key: &str) -> bool {
        let key = key.to_lowercase();
        self.suffixes.iter().any(|suffix| key.ends_with(suffix))
    }
}

fn globs(setting: &str, patterns: &[String]) -> Result<GlobSet, SettingsError> {
    let bad = |error: globset::Error| SettingsError::value(setting, error.to_string());
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(GlobBuilder::new(pattern).literal_separator(true).build().map_err(bad)?);
    }
    set.build().map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(prefix: &str, suffixes: &[&str], include: &[&str], exclude: &[&str]) -> KeyFilter {
        let own = |list: &[&str]| list.iter().map(|s| s.to_string()).collect();
        let settings = FilterSettings {
            prefix: prefix.into(),
            suffixes: own(suffixes),
            include: own(include),
            exclude: own(exclude),
        };
        KeyFilter::new(&settings, ".bucketlens/").unwrap()
    }

    #[test]
    fn own_tables_and_folder_markers_are_never_watched() {
        let all = filter("", &[], &[], &[]);
        assert!(all.matches("a.jpg") && all.matches("x/.bucketlens/a.jpg"));
        assert!(!all.matches(".bucketlens/tables/images.lance/data/1.lance"));
        assert!(!all.matches("holiday/"));
    }

    #[test]
    fn every_condition_must_hold() {
        let some = filter("photos/", &[".jpg", ".PNG"], &["photos/**/2025/*"], &["**/private-*"]);
        assert!(some.matches("photos/me/2025/a.JPG"));
        assert!(some.matches("photos/me/2025/a.png"));
        for no in [
            "photo/me/2025/a.jpg",
            "photos/me/2025/a.gif",
            "photos/me/2025/x/a.jpg",
            "photos/me/2025/private-a.jpg",
        ] {
            assert!(!some.matches(no), "{no}");
        }
    }

    #[test]
    fn a_bad_glob_names_its_setting() {
        let settings = FilterSettings {
            prefix: String::new(),
            suffixes: vec![],
            include: vec!["a[".into()],
            exclude: vec![],
        };
        let error = KeyFilter::new(&settings, ".bucketlens/").unwrap_err().to_string();
        assert!(error.contains("filter.include"), "{error}");
    }
}
