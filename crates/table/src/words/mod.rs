//! How texts and questions become terms, for the searches by words in memory.
//!
//! Any script works (`cut`). Terms are lower-cased, without accents, and stemmed if they are
//! English; words that say nothing about a picture are left out (`fold`).
//!
//! Han and Hangul are written without spaces around each word, and no dictionary cuts a word alike
//! in every text. So a text has every character and every two neighbours as terms. A question has
//! the words of a dictionary: a longer one is asked for by its neighbours.

mod cut;
mod fold;

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use cut::{Piece, pieces_of_document, pieces_of_question};
use fold::{folded, is_stop_word};

pub(crate) use fold::STOP_WORDS;

/// Bytes of a text after these are not looked at.
const MOST_BYTES: usize = 32 << 10;

/// The terms of a key or a caption, each once and in order, with how often they occur.
pub fn terms_of_document(text: &str) -> Vec<(String, u32)> {
    let mut terms = Vec::new();
    pieces_of_document(&normalised(text), |piece| terms.extend(term_of(piece)));
    terms.sort_unstable();
    let mut counted: Vec<(String, u32)> = Vec::with_capacity(terms.len());
    for term in terms {
        match counted.last_mut() {
            Some((last, count)) if *last == term => *count += 1,
            _ => counted.push((term, 1)),
        }
    }
    counted
}

/// The terms of a question, each once and in order, and the word each comes from, as it is written.
/// Terms of one written word are asked for together: they share the word's weight, and the word is
/// held by a text that holds all of them. A question of stop words alone has no terms, because no
/// text has them.
pub fn terms_of_question(text: &str) -> Vec<(String, String)> {
    let mut terms: Vec<(String, String)> = Vec::new();
    pieces_of_question(&normalised(text), |piece, written| {
        if let Some(term) = term_of(piece)
            && terms.iter().all(|(former, _)| *former != term)
        {
            terms.push((term, written.to_owned()));
        }
    });
    terms
}

/// What a text holds of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldTerms {
    /// Occurrences of each term of the question: 255 at most, as an index counts them.
    pub occurrences: Vec<u32>,
    /// Terms of the text, with repetition.
    pub length: u32,
}

/// What a text holds of the terms of a question ([`terms_of_question`]), by the rules of
/// [`terms_of_document`].
pub fn held(question: &[(String, String)], text: &str) -> HeldTerms {
    let document = terms_of_document(text);
    let occurrences = question.iter().map(|(term, _)| {
        let at = document.binary_search_by(|(other, _)| other.cmp(term));
        let found = at.ok().and_then(|at| document.get(at));
        found.map_or(0, |(_, occurrences)| (*occurrences).min(u32::from(u8::MAX)))
    });
    HeldTerms {
        occurrences: occurrences.collect(),
        length: document.iter().map(|(_, occurrences)| occurrences).sum(),
    }
}

/// The words of a question that texts hold which have each of its terms so often; in order.
pub fn words_held<'a>(question: &'a [(String, String)], occurrences: &[u32]) -> Vec<&'a str> {
    let mut words: Vec<(&str, bool)> = Vec::new();
    for ((_, written), occurrences) in question.iter().zip(occurrences) {
        match words.iter_mut().find(|(word, _)| word == written) {
            Some((_, held)) => *held &= *occurrences > 0,
            None => words.push((written, *occurrences > 0)),
        }
    }
    words.into_iter().filter(|(_, held)| *held).map(|(word, _)| word).collect()
}

fn term_of(piece: Piece<'_>) -> Option<String> {
    match piece {
        Piece::Word(word) => folded(word),
        Piece::Characters(characters) => (!is_stop_word(characters)).then(|| characters.to_owned()),
    }
}

/// The beginning of a text with each character in its composed form (keys written by macOS have
/// accents apart) and in its ordinary width.
fn normalised(text: &str) -> Cow<'_, str> {
    let text = text.get(..text.floor_char_boundary(MOST_BYTES)).unwrap_or(text);
    let is_wide = |character| ('\u{ff00}'..='\u{ffef}').contains(&character);
    if text.is_ascii()
        || (!text.contains(is_wide) && is_nfc_quick(text.chars()) == IsNormalized::Yes)
    {
        return Cow::Borrowed(text);
    }
    let narrow = |character: char| {
        let one = std::iter::once(character);
        let (wide, same) = if is_wide(character) { (Some(one), None) } else { (None, Some(one)) };
        wide.into_iter().flatten().nfkc().chain(same.into_iter().flatten())
    };
    Cow::Owned(text.chars().flat_map(narrow).nfc().collect())
}

#[cfg(test)]
mod tests;
