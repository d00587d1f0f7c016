//! Whether a caption can be in the language that was asked for, as far as its script tells.

use super::quotation::without_quotations;

/// Whether a text can be in this language. What it quotes may be in any, unless it is nothing but a
/// quotation.
pub(super) fn can_be(text: &str, language: &str) -> bool {
    let outside = without_quotations(text);
    let own = if outside.chars().any(char::is_alphabetic) { outside.as_str() } else { text };
    let count = |is: fn(char) -> bool| own.chars().filter(|c| c.is_alphabetic() && is(*c)).count();
    let (letters, han) = (count(|_| true), count(is_han));
    match language.split('-').next().unwrap_or_default() {
        // Japanese writes about half of a sentence in kana, Korean nearly all of it in hangul. A
        // Chinese one may name a shop by a sign of them.
        "zh" => han > 0 && count(is_kana_or_hangul) * 4 < letters,
        "ja" | "ko" => letters > count(|c| c.is_ascii()),
        // A sign may be named in its own script.
        _ => han * 2 < letters,
    }
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

fn is_kana_or_hangul(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{ac00}'..='\u{d7af}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_tell_languages() {
        for (text, language, wanted) in [
            ("A cat.", "en", true),
            ("一只猫。", "en", false),
            ("A shop with the sign 欢迎光临.", "en", true),
            ("A sign that says “欢迎光临北京动物园大门口请排队”.", "en", true),
            ("一只猫。", "zh", true),
            ("A cat.", "zh", false),
            ("穿T恤的人", "zh", true),
            ("猫がいます", "zh", false),
            ("猫がいます", "ja", true),
            ("A cat.", "ja", false),
            ("고양이가 소파에 앉아 있다.", "zh", false),
            ("Eine Katze.", "de", true),
        ] {
            assert_eq!(can_be(text, language), wanted, "{text} {language}");
        }
    }

    #[test]
    fn a_chinese_caption_may_hold_a_few_signs_of_kana_and_hangul() {
        for text in [
            "一家名叫優の良品的零食店。",
            "安娜・卡列尼娜的海报。",
            "招牌上写着“いらっしゃいませ”的拉面店。",
            "门上贴着「카페」的咖啡馆。",
            "一面写着コーヒー的旗子挂在木门旁边的墙上。",
        ] {
            assert!(can_be(text, "zh"), "{text}");
        }
        for text in [
            "赤い車が駐車場に停まっている。",
            "夕日の海岸で遊ぶ子供達",
            "「猫」がいます。",
            "“いらっしゃいませ”",
        ] {
            assert!(!can_be(text, "zh"), "{text}");
        }
    }
}
