//! All, any or none of several values.

use serde::Serialize;

/// Which of several values a picture must have: all of `all`, at least one of `any` unless it is
/// empty, and none of `none`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Values<T> {
    /// The picture must have each of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub all: Vec<T>,
    /// The picture must have at least one of these, if there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub any: Vec<T>,
    /// The picture must have none of these. One that lacks what the values speak of passes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub none: Vec<T>,
}

impl<T> Default for Values<T> {
    fn default() -> Self {
        Self { all: Vec::new(), any: Vec::new(), none: Vec::new() }
    }
}

impl<T> Values<T> {
    /// All of these values.
    pub fn all(values: impl IntoIterator<Item = T>) -> Self {
        Self { all: values.into_iter().collect(), ..Self::default() }
    }

    /// At least one of these values; every picture passes if there are none.
    pub fn any(values: impl IntoIterator<Item = T>) -> Self {
        Self { any: values.into_iter().collect(), ..Self::default() }
    }

    /// None of these values.
    pub fn none(values: impl IntoIterator<Item = T>) -> Self {
        Self { none: values.into_iter().collect(), ..Self::default() }
    }

    /// Whether every picture passes.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty() && self.any.is_empty() && self.none.is_empty()
    }

    /// Every value, whatever it is asked for.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.all.iter().chain(&self.any).chain(&self.none)
    }

    /// Every value, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.all.iter_mut().chain(&mut self.any).chain(&mut self.none)
    }

    /// Whether a picture passes. `has` says whether the picture has a value; it must be `false` for
    /// a picture that lacks what the value speaks of.
    pub fn admits(&self, mut has: impl FnMut(&T) -> bool) -> bool {
        self.all.iter().all(&mut has)
            && (self.any.is_empty() || self.any.iter().any(&mut has))
            && !self.none.iter().any(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_any_and_none_hold_together() {
        let has = |values: &Values<u8>, of: &[u8]| values.admits(|value| of.contains(value));
        assert!(has(&Values::default(), &[]));
        for (values, passing, failing) in [
            (Values::all([1, 2]), &[1, 2, 3][..], &[1, 3][..]),
            (Values::any([1, 2]), &[2], &[3]),
            (Values::none([1, 2]), &[], &[2]),
            (Values { all: vec![1], any: vec![2, 3], none: vec![4] }, &[1, 3], &[1, 3, 4]),
            (Values { all: vec![1], any: vec![2, 3], none: vec![4] }, &[1, 2, 3], &[1]),
        ] {
            assert!(has(&values, passing) && !has(&values, failing), "{values:?}");
            assert!(!values.is_empty());
        }
    }
}
