//! The JSON of [`Values`]: a value, a list of values, or `{"all": [], "any": [], "none": []}`.
//! Every list and text is bounded while it is read.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer, StrDeserializer};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess,
    Visitor,
};

use super::bounded::{BoundedList, BoundedText};
use super::{MAX_VALUE_BYTES, MAX_VALUES, PictureShape, Place, Values};

const LISTS: &[&str] = &["all", "any", "none"];

/// A value of a filter.
pub(super) trait FilterValue: Sized {
    /// The JSON that one value is read from.
    type Json: for<'de> Deserialize<'de>;

    /// What is expected, in words.
    const EXPECTED: &'static str;

    /// Whether one value is a JSON object.
    const IS_OBJECT: bool = false;

    fn from_json(json: Self::Json) -> Self;
}

impl FilterValue for String {
    type Json = BoundedText<MAX_VALUE_BYTES>;

    const EXPECTED: &'static str = "a text";

    fn from_json(json: Self::Json) -> Self {
        json.0
    }
}

impl FilterValue for PictureShape {
    type Json = Self;

    const EXPECTED: &'static str = "a shape";

    fn from_json(json: Self) -> Self {
        json
    }
}

impl FilterValue for Place {
    type Json = Self;

    const EXPECTED: &'static str = "a box";

    const IS_OBJECT: bool = true;

    fn from_json(json: Self) -> Self {
        json
    }
}

/// Reads values; those of a plain value or list must all be there.
pub(super) fn all<'de, D, T>(reader: D) -> Result<Values<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FilterValue,
{
    reader.deserialize_any(ValuesVisitor { plain: |list| Values::all(list) })
}

/// Reads values; of those of a plain value or list any must be there.
pub(super) fn any<'de, D, T>(reader: D) -> Result<Values<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FilterValue,
{
    reader.deserialize_any(ValuesVisitor { plain: |list| Values::any(list) })
}

/// `plain` says what a plain list means.
struct ValuesVisitor<T> {
    plain: fn(Vec<T>) -> Values<T>,
}

impl<'de, T: FilterValue> Visitor<'de> for ValuesVisitor<T> {
    type Value = Values<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = T::EXPECTED;
        write!(out, "{expected}, a list of at most {MAX_VALUES}, or lists as all, any and none")
    }

    fn visit_unit<E: Error>(self) -> Result<Values<T>, E> {
        Ok(Values::default())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Values<T>, E> {
        let reader: StrDeserializer<'_, E> = text.into_deserializer();
        let value = T::Json::deserialize(reader)?;
        Ok((self.plain)(vec![T::from_json(value)]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, values: A) -> Result<Values<T>, A::Error> {
        let reader = SeqAccessDeserializer::new(values);
        Ok((self.plain)(values_of(BoundedList::deserialize(reader)?)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Values<T>, A::Error> {
        let (mut all, mut any, mut none) = (None, None, None);
        let mut is_first = true;
        while let Some(BoundedText(name)) = fields.next_key::<BoundedText<MAX_VALUE_BYTES>>()? {
            let (list, known) = match name.as_str() {
                "all" => (&mut all, "all"),
                "any" => (&mut any, "any"),
                "none" => (&mut none, "none"),
                _ if is_first && T::IS_OBJECT => {
                    let fields = WithFirst { first: Some(name), fields };
                    let value = T::Json::deserialize(MapAccessDeserializer::new(fields))?;
                    return Ok((self.plain)(vec![T::from_json(value)]));
                }
                _ => return Err(A::Error::unknown_field(&name, LISTS)),
            };
            if list.is_some() {
                return Err(A::Error::duplicate_field(known));
            }
            *list = Some(values_of(fields.next_value()?));
            is_first = false;
        }
        let [all, any, none] = [all, any, none].map(Option::unwrap_or_default);
        Ok(Values { all, any, none })
    }
}

fn values_of<T: FilterValue>(list: BoundedList<T::Json, MAX_VALUES>) -> Vec<T> {
    list.0.into_iter().map(T::from_json).collect()
}

/// The fields of an object whose first name was read already.
struct WithFirst<A> {
    first: Option<String>,
    fields: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithFirst<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        match self.first.take() {
            Some(name) => seed.deserialize(name.into_deserializer()).map(Some),
            None => self.fields.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.fields.next_value_seed(seed)
    }
}
