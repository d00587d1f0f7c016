//! Sentences and keywords of an answer: which are accepted, and how they are tidied.

use super::quotation::without_quotations;

/// Longest caption, in characters.
const MOST_CHARACTERS: usize = 600;
/// Most keywords of one picture.
const MOST_KEYWORDS: usize = 30;
/// Longest keyword, in characters: a longer one is a sentence.
const MOST_KEYWORD_CHARACTERS: usize = 40;

/// Characters of JSON, HTML, Markdown, labels ("Caption: …") and addresses.
const NOT_PLAIN: &[char] =
    &['{', '}', '[', ']', '<', '>', '|', '*', '_', '#', '`', '\\', ':', '：', '\n'];

/// The caption on one line, not too long. Empty if it has no letter and no digit.
pub(super) fn tidy(text: &str) -> String {
    if !text.chars().any(char::is_alphanumeric) {
        return String::new();
    }
    limited(&one_line(text))
}

fn one_line(text: &str) -> String {
    let breaks = |character: char| character.is_whitespace() || character.is_control();
    text.split(breaks).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// At most [`MOST_CHARACTERS`]: up to the end of the last whole sentence, else of the last whole
/// word.
fn limited(text: &str) -> String {
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

/// Whether a text is one plain sentence: it begins with a letter or digit, ends with a full stop,
/// has no second sentence, no markup and more than one word, and does not speak in the first
/// person, as refusals do. What a sign or a shirt says may do so.
pub(super) fn is_plain_sentence(text: &str) -> bool {
    let is_stop = |character| matches!(character, '.' | '!' | '?' | '。' | '！' | '？');
    let Some(sentence) = text.strip_suffix(is_stop) else { return false };
    let goes_on = sentence.contains(['。', '！', '？'])
        || [". ", "! ", "? "].iter().any(|stop| sentence.contains(stop));
    // Scripts without spaces have more than one letter instead.
    let several = words(sentence).count() > 1
        || sentence.chars().filter(|c| !c.is_ascii() && c.is_alphabetic()).count() > 1;
    sentence.starts_with(char::is_alphanumeric)
        && several
        && !goes_on
        && !sentence.contains(NOT_PLAIN)
        && text.chars().count() <= MOST_CHARACTERS
        && !words(&without_quotations(sentence)).any(is_first_person)
}

/// Whether a text begins in the first person, as "I'm sorry, …" does and a caption does not.
pub(super) fn begins_in_first_person(text: &str) -> bool {
    words(text).next().is_some_and(is_first_person)
}

fn is_first_person(word: &str) -> bool {
    word == "I" || word.starts_with('我')
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// The keywords that can be used: each once, on one line, not too long, not too many.
pub(super) fn usable_keywords(keywords: &[String]) -> Vec<String> {
    let mut usable: Vec<String> = Vec::new();
    for word in keywords.iter().map(|word| one_line(word)) {
        let known = usable.iter().any(|known| known.to_lowercase() == word.to_lowercase());
        if !known
            && word.chars().any(char::is_alphanumeric)
            && word.chars().count() <= MOST_KEYWORD_CHARACTERS
        {
            usable.push(word);
        }
    }
    usable.truncate(MOST_KEYWORDS);
    usable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caption_is_one_line_with_a_word() {
        for (text, wanted) in [
            ("A cat.", "A cat."),
            ("  A cat\n on\u{0} a\tsofa. ", "A cat on a sofa."),
            ("一只猫。", "一只猫。"),
            ("\"A\" beside \"B\"", "\"A\" beside \"B\""),
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
    fn captions_are_plain_sentences() {
        for text in [
            "A cat on a sofa.",
            "Two cats!",
            "A 1.5 m tall statue in Beijing.",
            "Sure-footed goats on a rock.",
            "A sign with the word \"Stop\".",
            "A shirt with the words \"I love NY\" on it.",
            "Two people hold a sign that reads “I can’t vote”.",
            "墙上挂着写有“我爱北京”的牌子。",
            "一只猫坐在沙发上。",
            "图书馆里有很多书。",
        ] {
            assert!(is_plain_sentence(text), "{text}");
        }
    }

    #[test]
    fn politeness_refusals_pages_and_errors_are_not() {
        for text in [
            "",
            ".",
            "cat.",
            "A cat on a sofa",
            "Sure!",
            "Sure! A cat on a sofa.",
            "Here is the caption: a cat.",
            "A cat. Let me know if you need more!",
            "A cat on a sofa.\nKeywords, cat, sofa.",
            "**A cat** on a sofa.",
            "- A cat on a sofa.",
            "\"A cat on a sofa.\"",
            "{\"caption_en\": \"A cat.",
            "<p>A cat on a sofa.</p>",
            "Internal Server Error",
            "Error: model is loading.",
            "See https://example.com/status.",
            "I'm sorry, I can't describe people.",
            "Sorry, I can’t help with that.",
            "The sign says \"Stop\", but I can't see more.",
            "Unfortunately, I am unable to view images.",
            "抱歉，我无法描述这张图片。",
            "好的。一只猫。",
        ] {
            assert!(!is_plain_sentence(text), "{text}");
        }
        assert!(!is_plain_sentence(&format!("{}.", "word ".repeat(200).trim_end())));
    }

    #[test]
    fn a_caption_does_not_begin_in_the_first_person() {
        for text in ["I'm sorry, I can't.", "I’m unable to see it.", "I cannot.", "我无法描述。"]
        {
            assert!(begins_in_first_person(text), "{text}");
        }
        for text in ["A shirt with the words I love NY.", "写着“我爱你”的牌子。", "In Rome.", ""]
        {
            assert!(!begins_in_first_person(text), "{text}");
        }
    }

    #[test]
    fn keywords_are_there_once_and_short() {
        let given = [" red  sofa ", "cat", "Cat", "", "…", "猫", "1984"].map(str::to_owned);
        assert_eq!(usable_keywords(&given), ["red sofa", "cat", "猫", "1984"]);
        assert!(usable_keywords(&["x".repeat(41)]).is_empty());
    }

    #[test]
    fn there_is_a_limit_of_keywords() {
        let many: Vec<String> = (0..100).map(|number| format!("word{number}")).collect();
        assert_eq!(usable_keywords(&many), many[..MOST_KEYWORDS]);
    }
}
