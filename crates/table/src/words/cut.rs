//! Where texts are cut.
//!
//! Everything but letters, digits and marks separates words, so `_ - . / \` do in keys. What is
//! between is cut further:
//!
//! - Han and Hangul: a text into characters and pairs of neighbours, a question into words of a
//!   dictionary (of ICU), and longer ones into pairs.
//! - Kana, Thai, Lao, Khmer and Burmese: into words of the dictionary.
//! - Others: where letters meet digits (`IMG0042`); a text also where the case changes
//!   (`BeachHouse`), with the whole word beside its parts.

use icu_segmenter::WordSegmenter;
use icu_segmenter::options::WordBreakInvariantOptions;
use unicode_normalization::char::is_combining_mark;

/// What becomes a term.
#[derive(Debug, Clone, Copy)]
pub(super) enum Piece<'a> {
    /// A word, to be folded.
    Word(&'a str),
    /// A Han or Hangul character, or two neighbours.
    Characters(&'a str),
}

/// Letters of so many and digits of so many are two words: `IMG0042`, but not `mp3` and `4k`.
const LETTERS: usize = 3;
const DIGITS: usize = 2;

/// Parts have so many letters on average. So random letters are not taken for words.
const LETTERS_OF_PART: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    /// Every character may be a word.
    Characters,
    /// Words are only known from a dictionary.
    Dictionary,
    /// Words have something between them.
    Spaced,
}

fn script_of(character: char) -> Script {
    match character {
        '\u{1100}'..='\u{11ff}'
        | '\u{2e80}'..='\u{2fdf}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3130}'..='\u{318f}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{a960}'..='\u{a97f}'
        | '\u{ac00}'..='\u{d7ff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}' => Script::Characters,
        '\u{e00}'..='\u{eff}'
        | '\u{1000}'..='\u{109f}'
        | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}'
        | '\u{31f0}'..='\u{31ff}'
        | '\u{a9e0}'..='\u{a9ff}'
        | '\u{aa60}'..='\u{aa7f}' => Script::Dictionary,
        _ => Script::Spaced,
    }
}

/// The pieces of a text.
pub(super) fn pieces_of_document<'a>(text: &'a str, mut each: impl FnMut(Piece<'a>)) {
    for run in runs(text) {
        for (span, is_spaced) in spans(run) {
            if is_spaced {
                spaced_of_document(span, &mut each);
                continue;
            }
            let is_alone = |character| script_of(character) != Script::Characters;
            for characters in span.split(is_alone).filter(|characters| !characters.is_empty()) {
                characters_of(characters, 1, &mut each);
                characters_of(characters, 2, &mut each);
            }
            if span.contains(|character| script_of(character) == Script::Dictionary) {
                for word in dictionary_words(span).filter(|word| word.contains(is_alone)) {
                    each(Piece::Word(word));
                }
            }
        }
    }
}

/// The pieces of a question, each with the word it is of.
pub(super) fn pieces_of_question<'a>(text: &'a str, mut each: impl FnMut(Piece<'a>, &'a str)) {
    for run in runs(text) {
        for (span, is_spaced) in spans(run) {
            if is_spaced {
                for word in digits_apart(span) {
                    each(Piece::Word(word), word);
                }
                continue;
            }
            for word in dictionary_words(span) {
                if word.contains(|character| script_of(character) != Script::Characters) {
                    each(Piece::Word(word), word);
                } else {
                    let count = if word.chars().nth(1).is_none() { 1 } else { 2 };
                    characters_of(word, count, &mut |piece| each(piece, word));
                }
            }
        }
    }
}

/// Letters, digits and marks between anything else. A single letter after an apostrophe (`cat's`)
/// is left out.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let is_between =
        |character: char| !character.is_alphanumeric() && !is_combining_mark(character);
    let mut former = "";
    text.split_inclusive(is_between).filter_map(move |part| {
        let is_ending = former.ends_with(['\'', '\u{2019}']) && former.chars().nth(1).is_some();
        former = part;
        let run = part.trim_end_matches(is_between);
        let begins = run.find(char::is_alphanumeric)?;
        let run = run.get(begins..)?;
        (!(is_ending && run.len() == 1)).then_some(run)
    })
}

/// A run as spans of spaced scripts (`true`) and of others. Marks belong to what is before them.
fn spans(run: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut rest = run;
    std::iter::from_fn(move || {
        let is_spaced = script_of(rest.chars().next()?) == Script::Spaced;
        let end = rest.find(|character| {
            !is_combining_mark(character) && (script_of(character) == Script::Spaced) != is_spaced
        });
        let (span, later) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        rest = later;
        Some((span, is_spaced))
    })
}

/// Each so many neighbours.
fn characters_of<'a>(text: &'a str, count: usize, each: &mut impl FnMut(Piece<'a>)) {
    let ends = text.char_indices().map(|(at, character)| at + character.len_utf8()).skip(count - 1);
    for ((start, _), end) in text.char_indices().zip(ends) {
        if let Some(characters) = text.get(start..end) {
            each(Piece::Characters(characters));
        }
    }
}

fn dictionary_words(span: &str) -> impl Iterator<Item = &str> {
    let segmenter = WordSegmenter::new_dictionary(WordBreakInvariantOptions::default());
    let mut start = 0;
    segmenter.segment_str(span).filter_map(move |end| {
        let word = span.get(start..end).filter(|word| word.contains(char::is_alphanumeric));
        start = end;
        word
    })
}

fn spaced_of_document<'a>(span: &'a str, each: &mut impl FnMut(Piece<'a>)) {
    let mut words = 0;
    for word in digits_apart(span) {
        words += 1;
        each(Piece::Word(word));
        for part in cases_apart(word) {
            each(Piece::Word(part));
        }
    }
    if words > 1 {
        each(Piece::Word(span));
    }
}

/// The span cut where a few letters meet a few digits.
fn digits_apart(span: &str) -> impl Iterator<Item = &str> {
    let ends = if span.contains(char::is_numeric) && span.contains(char::is_alphabetic) {
        let mut kinds: Vec<(usize, usize, bool)> = Vec::new();
        for (at, character) in span.char_indices() {
            let end = at + character.len_utf8();
            let is_digit = character.is_numeric();
            match kinds.last_mut() {
                Some((count, last, kind)) if *kind == is_digit || is_combining_mark(character) => {
                    (*count, *last) = (*count + 1, end);
                }
                _ => kinds.push((1, end, is_digit)),
            }
        }
        let is_long = |(count, _, is_digit): &(usize, usize, bool)| {
            *count >= if *is_digit { DIGITS } else { LETTERS }
        };
        let pairs = kinds.windows(2).filter(|pair| pair.iter().all(is_long));
        pairs.filter_map(|pair| pair.first().map(|(_, end, _)| *end)).collect()
    } else {
        Vec::new()
    };
    cut_at(span, ends)
}

/// The parts of a word in which the case changes; none for any other word.
fn cases_apart(word: &str) -> impl Iterator<Item = &str> {
    let mut ends = Vec::new();
    let mut count = 0;
    let mut former = [None, None];
    for (at, character) in word.char_indices() {
        let is_upper = character.is_uppercase();
        match former {
            [_, Some((_, false))] if is_upper => ends.push(at),
            // The last capital letter before small ones begins a word: `HTTPServer`.
            [Some((_, true)), Some((last, true))] if !is_upper => ends.push(last),
            _ => {}
        }
        former = [former[1], Some((at, is_upper))];
        count += 1;
    }
    let are_words = !ends.is_empty() && (ends.len() + 1) * LETTERS_OF_PART <= count;
    let word = if are_words { word } else { "" };
    cut_at(word, if are_words { ends } else { Vec::new() })
        .filter(|part| part.chars().nth(1).is_some())
}

/// The pieces between these places, which must ascend.
fn cut_at(word: &str, ends: Vec<usize>) -> impl Iterator<Item = &str> {
    let mut start = 0;
    ends.into_iter().chain([word.len()]).filter_map(move |end| {
        let piece = word.get(start..end).filter(|piece| !piece.is_empty());
        start = end;
        piece
    })
}
