//! Reading and checking a search request. An error names the field that is wrong.

mod body;
mod digest;
mod example;
mod example_body;
mod form;
mod image_text;
mod negative;
mod options;
mod search_query;
#[cfg(test)]
mod tests;
pub(crate) mod weights;
mod words;

pub(crate) use body::SearchBody;
pub(crate) use example::Example;
pub(crate) use form::SearchForm;
pub(crate) use options::{Collapse, Cutoff, Sort};
pub(crate) use search_query::SearchQuery;
pub(crate) use words::SearchWords;
