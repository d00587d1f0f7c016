//! The cleaning of texts that `open_clip` calls `canonicalize`. Its models were trained on texts
//! that it had cleaned, so another form gives other token ids.
//!
//! `open_clip` repairs a text with the Python library ftfy, resolves HTML entities twice, and
//! removes punctuation. Of ftfy, three rare repairs are left out: wrongly decoded UTF-8 ("â€™"),
//! terminal escapes, and entities in capitals that HTML does not have (`&EACUTE;`).

use std::borrow::Cow;

use htmlize::unescape;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::decompose_compatible;

/// Most repairs of one text. ftfy repeats until nothing changes; a text whose entities are escaped
/// more often than this is no text that somebody wrote.
const MAX_ROUNDS: usize = 8;

/// The canonical form: repaired, without entities and ASCII punctuation (`_` becomes a space), in
/// lower case, with single spaces.
pub(crate) fn canonical(text: &str) -> String {
    let repaired = repaired(text);
    let plain = unescape(unescape(repaired));
    let letters = plain.replace('_', " ").replace(|c: char| c.is_ascii_punctuation(), "");
    letters.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What ftfy's `fix_text` makes of a text.
fn repaired(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..MAX_ROUNDS {
        // A text with tags is HTML, in which entities are meant.
        let resolved =
            if text.contains('<') { Cow::Borrowed(text.as_str()) } else { unescape(text.as_str()) };
        let mut plain = String::with_capacity(resolved.len());
        resolved.chars().for_each(|c| push_repaired(c, &mut plain));
        let plain: String = plain.nfc().collect();
        if plain == text {
            break;
        }
        text = plain;
    }
    text
}

/// Appends a character in its plain form.
fn push_repaired(c: char, plain: &mut String) {
    match c {
        // Curly quotes and apostrophes.
        '\u{2bc}' | '\u{2018}'..='\u{201b}' => plain.push('\''),
        '\u{201c}'..='\u{201f}' => plain.push('"'),
        // Control characters and other characters that are never seen.
        '\0'..='\u{8}'
        | '\u{b}'
        | '\u{e}'..='\u{1f}'
        | '\u{7f}'
        | '\u{206a}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffc}' => {}
        // The ligature of a long s keeps it.
        '\u{fb05}' => plain.push_str("ſt"),
        // Ligatures of Latin letters, then full-width and half-width forms.
        '\u{132}'
        | '\u{133}'
        | '\u{149}'
        | '\u{1c4}'..='\u{1cc}'
        | '\u{1f1}'..='\u{1f3}'
        | '\u{fb00}'..='\u{fb06}'
        | '\u{3000}'
        | '\u{ff01}'..='\u{ffef}' => decompose_compatible(c, |part| plain.push(part)),
        other => plain.push(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `open_clip` 3.3.0 with ftfy 6.3.1 makes of these texts.
    #[test]
    fn texts_get_the_form_of_open_clip() {
        for (text, wanted) in [
            ("A_Red,\t(blue) CAR! 红色。", "a red blue car 红色。"),
            ("cat’s toy", "cats toy"),
            ("“A” car", "a car"),
            ("don`t ʼtis ‛tis „low“ «fr»", "dont tis tis low «fr»"),
            ("a—b…c", "a—b…c"),
            ("ＲＥＤ　ＣＡＲ", "red car"),
            ("red，blue car", "redblue car"),
            ("红色。汽车，", "红色。汽车"),
            ("Ｕﾀｰﾝ", "uターン"),
            ("ガ ｶﾞ", "ガ ガ"),
            ("｡ ､ ￠ ￡", "。 、 ¢ £"),
            ("salt &amp; pepper", "salt pepper"),
            ("salt &amp;amp; pepper", "salt pepper"),
            ("a&amp;amp;amp;amp;b", "ab"),
            ("x &lt;b&gt; y", "x b y"),
            ("<b> &amp; c", "b c"),
            ("<b> &amp;amp; c", "b c"),
            ("<b> &amp;amp;amp; c", "b amp c"),
            ("<b>&rsquo;s", "b’s"),
            ("&rsquo;s", "s"),
            ("&#8217;s &#x2019;", "s"),
            ("&#128; x", "€ x"),
            ("r&eacute", "ré"),
            ("&notit; &notin", "¬it ¬in"),
            ("a &ampx b", "a x b"),
            ("Bob &copy Co", "bob © co"),
            ("&nbsp;x&nbsp;y", "x y"),
            ("ﬁne oﬃce", "fine office"),
            ("ĳssel ŉ ǆ", "ijssel n dž"),
            ("cafe\u{301}", "café"),
            ("a\u{2028}b", "a b"),
            ("\u{feff}red\0 car", "red car"),
            ("İstanbul ΣΑΣ", "i̇stanbul σας"),
            ("&amp", ""),
            ("", ""),
        ] {
            assert_eq!(canonical(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn entities_in_entities_end() {
        let text = format!("&{}lt;", "amp;".repeat(5_000));
        assert!(canonical(&text).contains("amp"));
    }
}
