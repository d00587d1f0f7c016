//! One caption, tidied: a sentence and nothing around it.

use super::preamble::without_preamble;

/// Longest caption, in characters.
const MOST_CHARACTERS: usize = 600;

const QUOTES: &[(char, char)] = &[
    ('"', '"'),
    ('\'', '\''),
    ('“', '”'),
    ('‘', '’'),
    ('「', '」'),
    ('『', '』'),
    ('«', '»'),
    ('`', '`'),
];

/// Beginnings of a last sentence that talks to the reader.
const CLOSINGS: &[&str] = &[
    ". Let me know",
    ". I hope this",
    ". Would you like",
    ". Feel free to",
    ". If you need",
    ". If you'd like",
    ". I'm sorry",
    ". I cannot",
    ". I can't",
    ". I am unable",
    ". I'm unable",
    ". However, I",
    "。希望",
    "。如果您",
    "。如果你",
    "。如需",
    "。抱歉",
    "。对不起",
    "。我无法",
];

/// The sentence without quotes, marks of Markdown and preambles, on one line, not too long. Empty
/// where nothing is left.
pub(super) fn tidy(text: &str) -> String {
    let flat = plain(text);
    let mut rest = flat.as_str();
    let mut bared = false;
    loop {
        let before = rest.len();
        rest = unquoted(rest.trim_start_matches(['#', '>', '-', '*', '•', ' ']).trim_end());
        let (without, some) = without_preamble(rest);
        rest = without;
        bared |= some;
        if rest.len() == before {
            break;
        }
    }
    let rest = shortened(without_closing(rest));
    if !rest.chars().any(char::is_alphanumeric) {
        return String::new();
    }
    if bared { capitalised(&rest) } else { rest }
}

/// One line, without marks of Markdown.
fn plain(text: &str) -> String {
    let words = text.split_whitespace().filter(|word| !word.starts_with("```"));
    words.collect::<Vec<_>>().join(" ").replace("**", "").replace("__", "")
}

fn unquoted(text: &str) -> &str {
    let inside = |(open, close): &(char, char)| {
        let inside = text.strip_prefix(*open)?.strip_suffix(*close)?;
        // "A" and "B" are two quotations.
        (!inside.contains([*open, *close])).then_some(inside.trim())
    };
    QUOTES.iter().find_map(inside).unwrap_or(text)
}

fn without_closing(text: &str) -> &str {
    let stop = |closing: &str| closing.chars().next().map_or(0, char::len_utf8);
    let ends =
        CLOSINGS.iter().filter_map(|closing| text.find(closing).map(|place| place + stop(closing)));
    ends.min().and_then(|end| text.get(..end)).unwrap_or(text)
}

/// At most [`MOST_CHARACTERS`]: up to the end of the last whole sentence, else of the last whole
/// word.
fn shortened(text: &str) -> String {
    let Some((limit, _)) = text.char_indices().nth(MOST_CHARACTERS) else { return text.to_owned() };
    let head = &text[..limit];
    let sentence = head.char_indices().rev().find(|(place, character)| match character {
        '。' | '！' | '？' => true,
        '.' | '!' | '?' => text[place + 1..].starts_with(' '),
        _ => false,
    });
    match sentence {
        Some((place, character)) => head[..place + character.len_utf8()].to_owned(),
        None => format!("{}…", head.rsplit_once(' ').map_or(head, |(words, _)| words)),
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// Whether a text can be of this language, where its script tells.
pub(super) fn can_be(text: &str, language: &str) -> bool {
    let han = text
        .chars()
        .filter(|c| matches!(c, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'))
        .count();
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    match language.split('-').next().unwrap_or_default() {
        "zh" => {
            han > 0
                && !text
                    .chars()
                    .any(|c| matches!(c, '\u{3040}'..='\u{30ff}' | '\u{ac00}'..='\u{d7af}'))
        }
        "ja" | "ko" => letters > text.chars().filter(char::is_ascii_alphabetic).count(),
        // A sign may be quoted in its own script.
        _ => han * 2 < letters,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_around_a_sentence_goes() {
        for (text, wanted) in [
            ("A cat.", "A cat."),
            ("  \"A cat.\" ", "A cat."),
            ("“一只猫。”", "一只猫。"),
            ("**Caption:** *A cat.*", "A cat.*"),
            ("**The image shows** a cat\non a sofa.", "A cat on a sofa."),
            ("- \"The image shows a cat.\"", "A cat."),
            ("# Description: a cat", "A cat"),
            ("\"A\" beside \"B\"", "\"A\" beside \"B\""),
            ("这张图片展示了一只猫。", "一只猫。"),
            ("A cat. Let me know if you need more!", "A cat."),
            ("A man. I cannot tell who he is.", "A man."),
            ("一只猫。如果您需要更多信息，请告诉我。", "一只猫。"),
            ("Sure! Here is the caption:", ""),
            ("```text\nA cat.\n```", "A cat."),
            ("...", ""),
            ("\"\"", ""),
        ] {
            assert_eq!(tidy(text), wanted, "{text}");
        }
    }

    #[test]
    fn long_captions_end_with_a_sentence() {
        let sentence = "A cat sits on a sofa in the sun. ";
        let tidied = tidy(&sentence.repeat(40));
        assert!(tidied.ends_with("sun.") && tidied.len() <= 600 && tidied.len() > 560, "{tidied}");
        assert!(tidy(&"一只猫坐着。".repeat(200)).ends_with('。'));
        let words = tidy(&"word ".repeat(200));
        assert!(words.ends_with("word…") && words.chars().count() <= 601, "{words}");
        assert_eq!(tidy(&"x".repeat(700)).chars().count(), 601);
        // A number is no end of a sentence.
        assert!(tidy(&"costs 1.5 and ".repeat(60)).ends_with('…'));
    }

    #[test]
    fn scripts_tell_languages() {
        for (text, language, wanted) in [
            ("A cat.", "en", true),
            ("一只猫。", "en", false),
            ("A shop with the sign 欢迎光临.", "en", true),
            ("一只猫。", "zh", true),
            ("A cat.", "zh", false),
            ("穿T恤的人", "zh", true),
            ("猫がいます", "zh", false),
            ("猫がいます", "ja", true),
            ("A cat.", "ja", false),
            ("Eine Katze.", "de", true),
        ] {
            assert_eq!(can_be(text, language), wanted, "{text} {language}");
        }
    }
}
