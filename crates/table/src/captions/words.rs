//! The inverted index for searches by words, with BM25 scores, over captions, keywords and object
//! keys.
//!
//! Text is cut into words by the rules of Unicode and its dictionary for Chinese, both compiled in.
//! English words are stemmed, and stop words are left out. Searches in memory cut otherwise
//! ([`crate::words`]).

use std::sync::LazyLock;

use lance_index::scalar::inverted::document_tokenizer::LanceTokenizer;
use lancedb::index::Index;
use lancedb::index::scalar::FtsIndexBuilder;

use crate::error::TableError;
use crate::ledger::Ledger;
use crate::schema::WORDS_COLUMN;
use crate::words::STOP_WORDS;

/// Makes the index if it is missing, and says whether it did. A table has it from the beginning,
/// because no word is found without it. Rows appended later are found by looking at each of them
/// until the index is extended.
///
/// # Errors
/// The store did not answer or refused.
pub(crate) async fn make_index(ledger: &Ledger) -> Result<bool, TableError> {
    if is_indexed(ledger).await? {
        return Ok(false);
    }
    let made = ledger
        .change(|table| async move {
            let index = Index::FTS(analysis());
            table.create_index(&[WORDS_COLUMN], index).replace(false).execute().await
        })
        .await;
    match made {
        Ok(_) => Ok(true),
        // Another process may have been faster.
        Err(error) => match is_indexed(ledger).await {
            Ok(true) => Ok(false),
            _ => Err(error),
        },
    }
}

async fn is_indexed(ledger: &Ledger) -> Result<bool, TableError> {
    ledger.table.checkout_latest().await.map_err(TableError::of(&ledger.name))?;
    let indices = ledger.table.list_indices().await.map_err(TableError::of(&ledger.name))?;
    Ok(indices.iter().any(|index| index.columns == [WORDS_COLUMN]))
}

/// How texts become words. The index keeps its analysis: words cut by another one are not found.
fn analysis() -> FtsIndexBuilder {
    let stop_words = STOP_WORDS.split_whitespace().map(str::to_owned).collect();
    FtsIndexBuilder::default()
        .base_tokenizer(String::from("icu/split"))
        .lower_case(true)
        .stem(true)
        .remove_stop_words(true)
        .custom_stop_words(Some(stop_words))
        .ascii_folding(true)
        .with_position(false)
        .max_token_length(Some(64))
}

static ANALYZER: LazyLock<Option<Box<dyn LanceTokenizer>>> =
    LazyLock::new(|| analysis().build().ok());

/// The words of a text, each once and in order: as the index knows it, and as it is written in the
/// text.
pub fn words_of(text: &str) -> Vec<(String, String)> {
    let Some(analyzer) = ANALYZER.as_ref() else { return Vec::new() };
    let mut analyzer = analyzer.box_clone();
    let mut words: Vec<(String, String)> = Vec::new();
    let mut stream = analyzer.token_stream_for_search(text);
    while stream.advance() {
        let token = stream.token();
        if words.iter().all(|(word, _)| *word != token.text) {
            let written = text.get(token.offset_from..token.offset_to).unwrap_or(&token.text);
            words.push((token.text.clone(), written.to_owned()));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        words_of(text).into_iter().map(|(word, _)| word).collect()
    }

    #[test]
    fn english_chinese_and_file_names_become_words() {
        assert_eq!(words("A red car on the beach at sunset"), ["red", "car", "beach", "sunset"]);
        assert_eq!(words("夜晚的红色汽车"), ["夜晚", "红色", "汽车"]);
        assert_eq!(
            words("trips/oslo-2019/IMG_0042.jpg"),
            ["trip", "oslo", "2019", "img", "0042", "jpg"]
        );
        assert_eq!(words("Cafés"), words("cafe"));
        assert_eq!(words("the hat"), ["hat"]);
        assert!(words("of the 的").is_empty());
    }

    #[test]
    fn a_word_is_shown_as_it_was_written() {
        assert_eq!(words_of("Cars"), [(String::from("car"), String::from("Cars"))]);
    }
}
