//! How a word becomes a term: without case, accents, endings of English and stop words.

use std::collections::HashSet;
use std::sync::LazyLock;

use frostem::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;

/// Words that say nothing about a picture. Lists of other libraries mix thirty languages and so
/// contain `hat`, `van`, `man` and `bin`.
pub(crate) const STOP_WORDS: &str = "\
    a an and are as at be by for from has have in into is it its of on or \
    that the their there these this to was were which while will with photo picture image \
    的 了 在 是 和 与 有 一 个 一个 一张 上 下 里 中 照片 图片";

/// Bytes of a word after these are not part of its term.
const MOST_BYTES: usize = 64;

static STEMMER: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::new(Algorithm::English));

/// The stop words, and what stemming makes of them.
static STOPPED: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let stems = STOP_WORDS.split_whitespace().map(|word| STEMMER.stem(word).into_owned());
    stems.chain(STOP_WORDS.split_whitespace().map(str::to_owned)).collect()
});

/// Whether a term is left out.
pub(super) fn is_stop_word(term: &str) -> bool {
    STOPPED.contains(term)
}

/// The term of a word; `None` for a stop word.
pub(super) fn folded(word: &str) -> Option<String> {
    let mut term =
        if word.is_ascii() { word.to_ascii_lowercase() } else { plain(&word.to_lowercase()) };
    term.truncate(term.floor_char_boundary(MOST_BYTES));
    if term.is_empty() || is_stop_word(&term) {
        return None;
    }
    // The stemmer is for English; a number or a word of another script has no ending of it.
    if term.bytes().all(|byte| byte.is_ascii_lowercase()) {
        let stem = STEMMER.stem(&term).into_owned();
        if is_stop_word(&stem) {
            return None;
        }
        term = stem;
    }
    Some(term)
}

/// The word without accents and vowel points, and Latin letters as ASCII.
fn plain(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for character in word.nfd().filter(|character| !is_mark(*character)) {
        match character {
            'ß' => out.push_str("ss"),
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            'ø' => out.push('o'),
            'ł' => out.push('l'),
            'đ' | 'ð' => out.push('d'),
            'þ' => out.push_str("th"),
            'ı' => out.push('i'),
            _ => out.push(character),
        }
    }
    // Marks that were kept are parts of their letters (か and が are two).
    if out.is_ascii() { out } else { out.nfc().collect() }
}

/// Accents of Latin, Greek and Cyrillic, points of Hebrew, signs and the stretched line of Arabic.
/// Marks of other scripts are as good as letters.
fn is_mark(character: char) -> bool {
    matches!(
        character,
        '\u{300}'..='\u{36f}'
            | '\u{591}'..='\u{5bd}'
            | '\u{5bf}'
            | '\u{5c1}'..='\u{5c2}'
            | '\u{5c4}'..='\u{5c5}'
            | '\u{5c7}'
            | '\u{640}'
            | '\u{64b}'..='\u{65f}'
            | '\u{670}'
    )
}
