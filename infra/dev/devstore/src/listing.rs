//! One page of a listing, in the byte order of keys.

use std::{
    collections::BTreeMap,
    ops::Bound::{self, Excluded, Included, Unbounded},
    sync::Arc,
};

use crate::body::ObjectInfo;

/// The keys of one bucket. Strings compare as their UTF-8 bytes, which is the order S3 promises.
pub(crate) type Keys = BTreeMap<String, Arc<ObjectInfo>>;

/// The end of the previous page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ListingPosition {
    /// After this key.
    Key(String),
    /// After every key that starts with this common prefix.
    Group(String),
}

impl ListingPosition {
    pub(crate) fn to_token(&self) -> String {
        match self {
            Self::Key(key) => hex::encode(format!("k{key}")),
            Self::Group(prefix) => hex::encode(format!("g{prefix}")),
        }
    }

    pub(crate) fn from_token(token: &str) -> Option<Self> {
        let text = String::from_utf8(hex::decode(token).ok()?).ok()?;
        match text.split_at_checked(1)? {
            ("k", key) => Some(Self::Key(key.to_owned())),
            ("g", prefix) => Some(Self::Group(prefix.to_owned())),
            _ => None,
        }
    }
}

/// The parameters of a listing.
pub(crate) struct ListingQuery {
    pub(crate) prefix: String,
    pub(crate) delimiter: Option<String>,
    pub(crate) after: Option<ListingPosition>,
    pub(crate) max_keys: usize,
}

/// Objects and common prefixes, and the position of the next page if there is one.
#[derive(Default)]
pub(crate) struct ListingPage {
    pub(crate) objects: Vec<Arc<ObjectInfo>>,
    pub(crate) groups: Vec<String>,
    pub(crate) next: Option<ListingPosition>,
}

impl ListingPage {
    pub(crate) fn len(&self) -> usize {
        self.objects.len() + self.groups.len()
    }
}

pub(crate) fn page(keys: &Keys, query: &ListingQuery) -> ListingPage {
    let mut page = ListingPage::default();
    let mut last = query.after.clone();
    for (key, about) in keys.range::<str, _>((first(query), Unbounded)) {
        if !key.starts_with(&query.prefix) {
            break;
        }
        if matches!(&last, Some(ListingPosition::Group(prefix)) if key.starts_with(prefix)) {
            continue;
        }
        if page.len() == query.max_keys {
            page.next = last.filter(|_| query.max_keys > 0);
            break;
        }
        match group(key, query) {
            Some(prefix) => {
                page.groups.push(prefix.to_owned());
                last = Some(ListingPosition::Group(prefix.to_owned()));
            }
            None => {
                page.objects.push(about.clone());
                last = Some(ListingPosition::Key(key.clone()));
            }
        }
    }
    page
}

fn first(query: &ListingQuery) -> Bound<&str> {
    match &query.after {
        Some(ListingPosition::Key(key) | ListingPosition::Group(key)) if *key >= query.prefix => {
            Excluded(key)
        }
        _ => Included(&query.prefix),
    }
}

/// The common prefix of this key, if the delimiter occurs after the prefix of the listing.
fn group<'a>(key: &'a str, query: &ListingQuery) -> Option<&'a str> {
    let delimiter = query.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())?;
    let at = key[query.prefix.len()..].find(delimiter)?;
    Some(&key[..query.prefix.len() + at + delimiter.len()])
}
