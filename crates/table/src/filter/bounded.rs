//! Lists and texts whose size is bounded while they are read: the reader stops at the first value
//! beyond the bound, so a request of many megabytes does not become a value of more.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, SeqAccess, Visitor};

/// A list of at most `MOST` values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundedList<T, const MOST: usize>(pub Vec<T>);

/// A text of at most `MOST` bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundedText<const MOST: usize>(pub String);

/// Reads a list of at most `MOST` values; for `#[serde(deserialize_with)]`.
///
/// # Errors
/// The list is longer, or a value is wrong.
pub fn list<'de, D, T, const MOST: usize>(reader: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    BoundedList::<T, MOST>::deserialize(reader).map(|list| list.0)
}

/// As [`list`], or null.
///
/// # Errors
/// As [`list`].
pub fn optional_list<'de, D, T, const MOST: usize>(reader: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<BoundedList<T, MOST>>::deserialize(reader)?.map(|list| list.0))
}

/// Reads a text of at most `MOST` bytes, or null; for `#[serde(deserialize_with)]`.
///
/// # Errors
/// The text is longer, or the value is no text.
pub fn optional_text<'de, D, const MOST: usize>(reader: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(Option::<BoundedText<MOST>>::deserialize(reader)?.map(|text| text.0))
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for BoundedList<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_seq(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for ListVisitor<T, MOST> {
    type Value = BoundedList<T, MOST>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a list of at most {MOST} entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while list.len() < MOST {
            match values.next_element()? {
                Some(value) => list.push(value),
                None => return Ok(BoundedList(list)),
            }
        }
        match values.next_element::<IgnoredAny>()? {
            Some(_) => Err(A::Error::custom(format!("must have at most {MOST} entries"))),
            None => Ok(BoundedList(list)),
        }
    }
}

impl<'de, const MOST: usize> Deserialize<'de> for BoundedText<MOST> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_str(TextVisitor)
    }
}

struct TextVisitor<const MOST: usize>;

impl<const MOST: usize> Visitor<'_> for TextVisitor<MOST> {
    type Value = BoundedText<MOST>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a text of at most {MOST} bytes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if text.len() > MOST {
            return Err(E::custom(format!("is longer than {MOST} bytes")));
        }
        Ok(BoundedText(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    static READ: AtomicUsize = AtomicUsize::new(0);

    /// Counts how many of it were read.
    struct Counted;

    impl<'de> Deserialize<'de> for Counted {
        fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
            READ.fetch_add(1, Ordering::Relaxed);
            IgnoredAny::deserialize(reader).map(|_| Self)
        }
    }

    #[test]
    fn a_list_that_is_too_long_is_read_no_further_than_its_bound() {
        let json = format!("[{{}}{}]", ",{}".repeat(100_000));
        let error = serde_json::from_str::<BoundedList<Counted, 8>>(&json).err().unwrap();
        assert!(error.to_string().starts_with("must have at most 8 entries"), "{error}");
        assert_eq!((READ.load(Ordering::Relaxed), error.column()), (8, 28));
    }

    #[test]
    fn what_is_within_its_bound_is_read() {
        let list = serde_json::from_str::<BoundedList<u8, 3>>("[1, 2, 3]").unwrap();
        assert_eq!(list.0, [1, 2, 3]);
        assert!(serde_json::from_str::<BoundedList<u8, 3>>("[]").unwrap().0.is_empty());
        assert!(serde_json::from_str::<BoundedList<u8, 3>>("[1, 2, 3, 4]").is_err());
        let text = serde_json::from_str::<BoundedText<3>>("\"海\"").unwrap();
        assert_eq!(text.0, "海");
        assert!(serde_json::from_str::<BoundedText<3>>("\"海a\"").is_err());
    }
}
