//! Tokenisation: texts to token ids, as the manifest of a model describes it.

use std::borrow::Cow;

use tokenizers::{PostProcessor, Tokenizer, TruncationParams};

use crate::canonical::canonical;
use crate::manifest::TextTower;

/// Characters of a text that the tokenizer sees. `max_len` tokens never hold as many; the limit
/// bounds the time that one very long text can take.
const MAX_CHARACTERS: usize = 16_384;

/// The tokenizer of a text tower, with its preparation of texts.
pub(crate) struct Tokens {
    tokenizer: Tokenizer,
    tower: TextTower,
}

/// The token ids of several texts, padded to one length: `rows` x `columns` values, row by row.
#[derive(Debug, PartialEq)]
pub(crate) struct TokenBatch {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) ids: Vec<i64>,
    /// 1 for a token, 0 for padding.
    pub(crate) mask: Vec<i64>,
}

impl TokenBatch {
    /// Repeats the last row until there are `rows` of them.
    pub(crate) fn fill_up(&mut self, rows: usize) {
        let last = self.ids.len().saturating_sub(self.columns);
        while self.rows < rows {
            self.ids.extend_from_within(last..last + self.columns);
            self.mask.extend_from_within(last..last + self.columns);
            self.rows += 1;
        }
    }
}

impl Tokens {
    /// Loads a `tokenizer.json`. The error completes the sentence "the file … ".
    pub(crate) fn load(json: &[u8], tower: &TextTower) -> Result<Tokens, String> {
        let mut tokenizer = parse_tokenizer(json)?;
        let special = match tokenizer.get_post_processor() {
            Some(processor) if tower.add_special => processor.added_tokens(false),
            _ => 0,
        };
        if special >= tower.max_len {
            return Err(format!(
                "adds {special} special tokens to texts of at most `max_len` = {} tokens",
                tower.max_len
            ));
        }
        // The manifest decides about padding and truncation, whatever the file contains.
        tokenizer.with_padding(None);
        // The library truncates before it adds the special tokens, so the end token is kept.
        let truncation = TruncationParams { max_length: tower.max_len, ..Default::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(unusable)?;
        Ok(Tokens { tokenizer, tower: tower.clone() })
    }

    /// Tokenises texts into rows of equal length: `fixed` tokens where the graph takes no other
    /// length, else `pad_to` tokens, else as many as the longest text has.
    ///
    /// # Errors
    /// The position of a text that the tokenizer refuses, and a reason.
    pub(crate) fn encode(
        &self,
        texts: &[String],
        fixed: Option<usize>,
    ) -> Result<TokenBatch, (usize, String)> {
        let mut rows = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            let prepared = self.prepare(text);
            let encoding = self.tokenizer.encode_fast(prepared, self.tower.add_special);
            let encoding =
                encoding.map_err(|error| (index, format!("the tokenizer refused it: {error}")))?;
            rows.push(encoding.get_ids().iter().map(|id| i64::from(*id)).collect::<Vec<i64>>());
        }
        let longest = rows.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let columns = fixed.unwrap_or(self.tower.pad_to).max(longest);
        let mut batch = TokenBatch { rows: rows.len(), columns, ids: Vec::new(), mask: Vec::new() };
        for row in rows {
            let padding = columns - row.len();
            batch.mask.extend(row.iter().map(|_| 1).chain(std::iter::repeat_n(0, padding)));
            batch.ids.extend(
                row.into_iter().chain(std::iter::repeat_n(i64::from(self.tower.pad_id), padding)),
            );
        }
        Ok(batch)
    }

    fn prepare<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let end = text.char_indices().nth(MAX_CHARACTERS).map_or(text.len(), |(index, _)| index);
        let mut text = Cow::Borrowed(text.get(..end).unwrap_or(text));
        let canonicalize = self.tower.canonicalize;
        if canonicalize {
            text = canonical(&text).into();
        }
        if self.tower.strip_punctuation {
            text = text.chars().filter(|c| !c.is_ascii_punctuation()).collect::<String>().into();
        }
        if self.tower.collapse_whitespace {
            text = text.split_whitespace().collect::<Vec<_>>().join(" ").into();
        }
        if self.tower.template != "{}" {
            text = self.tower.template.replacen("{}", &text, 1).into();
        }
        if canonicalize || self.tower.lowercase { text.to_lowercase().into() } else { text }
    }
}

/// Parses a `tokenizer.json`. The error completes the sentence "the file … ".
pub(crate) fn parse_tokenizer(json: &[u8]) -> Result<Tokenizer, String> {
    Tokenizer::from_bytes(json).map_err(unusable)
}

fn unusable(error: tokenizers::Error) -> String {
    format!("is not a tokenizer this program reads: {error}")
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
