//! Finding the terms of the vocabulary in a sentence.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::vocabulary::{Term, grouped_terms};

/// Chinese words that contain a term but mean something else, as "riverbed" contains "bed".
const OTHER_WORDS: &str = "马路 马上 马桶 马克杯 马拉松 马达 罗马 木马 花园 花瓶 花盆 花纹 花样 花生 花椰菜 花岗岩 花费 雪花 火花 浪花 棉花 爆米花 \
    地球 月球 全球 球场 球员 球拍 星球 书架 书桌 书包 书柜 书房 书店 书法 秘书 手机 手表 手套 手提包 手提箱 手推车 手工 手电筒 扶手 把手 对手 歌手 \
    水手 选手 新手 脚手架 山脚 墙脚 鱼竿 鱼缸 章鱼 鳄鱼 鱿鱼 木鱼 美人鱼 熊猫 狗熊 海狗 热狗 海马 猫头鹰 河床 牙床 机床 邮票 股票 钞票 剪刀 刀叉 \
    茶几 茶壶 茶杯 茶叶 汤匙 汤勺 纸箱 纸盒 报纸 玉米 玉兰 工人 人工 人造 人行道 人字拖 机器人 稻草人 人物 人群 雪人 雪糕 雪茄 雪豹 雪橇 凤梨 色狼 \
    蛇形 鸟巢 湖南 湖北 鼓楼 鼓励 枪鱼 飞船 船长 瓷砖 砖红 药草 脸盆 树莓 桥牌 象牙塔 梅花鹿 豪猪 海豹 鹅卵石 鹅黄 虾皮 碗柜 剑麻";

/// The terms by their spellings.
struct Spellings {
    english: HashMap<String, Term>,
    /// By their words in [`singular`].
    singular: HashMap<String, Term>,
    /// `None` for one of [`OTHER_WORDS`].
    chinese: HashMap<&'static str, Option<Term>>,
    /// Words of the longest English term.
    most_words: usize,
    /// Characters of the longest Chinese term.
    most_characters: usize,
}

/// Finds the terms of the vocabulary in a sentence: each once, in the order of their appearance.
///
/// English terms match whole words, in upper or lower case, singular or plural. Chinese terms match
/// anywhere. Where names overlap, the longer one counts.
pub fn terms_in(text: &str) -> Vec<Term> {
    let mut found: Vec<(usize, Term)> = english(text);
    found.extend(chinese(text));
    found.sort_by_key(|(place, _)| *place);
    let mut terms: Vec<Term> = Vec::new();
    for (_, term) in found {
        if !terms.contains(&term) {
            terms.push(term);
        }
    }
    terms
}

fn english(text: &str) -> Vec<(usize, Term)> {
    let spellings = spellings();
    let words = words(text);
    let mut found = Vec::new();
    let mut from = 0;
    while from < words.len() {
        let longest = (1..=spellings.most_words.min(words.len() - from)).rev().find_map(|count| {
            let name = words
                .get(from..from + count)?
                .iter()
                .map(|(_, word)| word.as_str())
                .collect::<Vec<_>>()
                .join(" ");
            let term = spellings
                .english
                .get(&name)
                .or_else(|| spellings.singular.get(&singular_name(&name)))?;
            Some((count, *term))
        });
        if let (Some((_, term)), Some((place, _))) = (longest, words.get(from)) {
            found.push((*place, term));
        }
        from += longest.map_or(1, |(count, _)| count);
    }
    found
}

fn chinese(text: &str) -> Vec<(usize, Term)> {
    let spellings = spellings();
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(rest) = text.get(from..).filter(|rest| !rest.is_empty()) {
        let ends = rest
            .char_indices()
            .map(|(place, character)| place + character.len_utf8())
            .take(spellings.most_characters);
        let longest =
            ends.filter_map(|end| Some((end, spellings.chinese.get(rest.get(..end)?)?))).last();
        if let Some((_, Some(term))) = longest {
            found.push((from, *term));
        }
        from +=
            longest.map_or_else(|| rest.chars().next().map_or(1, char::len_utf8), |(end, _)| end);
    }
    found
}

fn spellings() -> &'static Spellings {
    static SPELLINGS: OnceLock<Spellings> = OnceLock::new();
    SPELLINGS.get_or_init(|| {
        let name = |term: Term| {
            words(term.en).into_iter().map(|(_, word)| word).collect::<Vec<_>>().join(" ")
        };
        let terms = || grouped_terms().iter().map(|entry| entry.term);
        let english: HashMap<String, Term> = terms().map(|term| (name(term), term)).collect();
        let singular = terms().map(|term| (singular_name(&name(term)), term)).collect();
        let mut chinese: HashMap<&str, Option<Term>> =
            OTHER_WORDS.split_whitespace().map(|word| (word, None)).collect();
        chinese.extend(terms().map(|term| (term.zh, Some(term))));
        let most_words =
            english.keys().map(|name| name.split(' ').count()).max().unwrap_or_default();
        let most_characters =
            chinese.keys().map(|name| name.chars().count()).max().unwrap_or_default();
        Spellings { english, singular, chinese, most_words, most_characters }
    })
}

/// Words of letters and digits, in lower case and without a possessive `'s`, with their places. A
/// hyphen separates words.
fn words(text: &str) -> Vec<(usize, String)> {
    let part = |character: char| {
        character.is_ascii_alphanumeric() || character == '\'' || character == '’'
    };
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find(part) {
        let word = rest.get(begin..).unwrap_or_default();
        let end = word.find(|character| !part(character)).unwrap_or(word.len());
        let place = text.len() - word.len();
        rest = word.get(end..).unwrap_or_default();
        let word = word.get(..end).unwrap_or_default().to_ascii_lowercase().replace('’', "'");
        let word = word.trim_matches('\'');
        let word = word.strip_suffix("'s").unwrap_or(word);
        if !word.is_empty() {
            found.push((place, word.to_owned()));
        }
    }
    found
}

fn singular_name(name: &str) -> String {
    name.split(' ').map(singular).collect::<Vec<_>>().join(" ")
}

/// The word without a plural ending. Both sides of a comparison are treated alike, so it does no
/// harm that "bus" may lose its end.
fn singular(word: &str) -> String {
    let without = |ending: &str| word.strip_suffix(ending).filter(|rest| rest.len() > 1);
    if let Some(rest) = without("ies") {
        return format!("{rest}y");
    }
    let doubled =
        ["sses", "shes", "ches", "xes", "zes", "toes"].iter().any(|ending| word.ends_with(ending));
    if let Some(rest) = without("es").filter(|_| doubled && word.len() > 4) {
        return rest.to_owned();
    }
    match without("s") {
        Some(rest) if !rest.ends_with(['s', 'u', 'i']) => rest.to_owned(),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Vec<&'static str> {
        terms_in(text).iter().map(|term| term.en).collect()
    }

    #[test]
    fn english_by_whole_words() {
        for (text, wanted) in [
            ("A black cat on the beach at sunset.", vec!["black", "cat", "beach", "sunset"]),
            ("Cats, DOGS and two foxes", vec!["cat", "dog", "fox"]),
            ("A polar bear beside a bear.", vec!["polar bear", "bear"]),
            ("A cat and another cat", vec!["cat"]),
            ("The catalogue of a doghouse", vec![]),
            ("A hot air balloon", vec!["hot-air balloon"]),
            ("A man in a T-shirt", vec!["man", "t-shirt"]),
            ("The cat's ball; the dogs' bowl", vec!["cat", "ball", "dog", "bowl"]),
            ("Tomatoes, peaches and houses", vec!["tomato", "peach", "house"]),
            ("Two cities and some cherries", vec!["city", "cherry"]),
            ("a pair of shoes, one shoe", vec!["shoes"]),
            ("Glasses beside a glass", vec!["glasses", "glass"]),
            ("a bus and two buses", vec!["bus"]),
            ("", vec![]),
        ] {
            assert_eq!(named(text), wanted, "{text}");
        }
    }

    #[test]
    fn chinese_by_the_longest_name() {
        for (text, wanted) in [
            ("夕阳下海滩上的黑色猫", vec!["sunset", "beach", "black", "cat"]),
            ("一只北极熊和一只熊", vec!["polar bear", "bear"]),
            ("大熊猫在吃竹子", vec!["panda", "bamboo"]),
            ("马路旁的书架和书", vec!["bookshelf", "book"]),
            ("花园里的花", vec!["garden", "flower"]),
            ("一只cat和一条狗", vec!["cat", "dog"]),
            ("穿T恤的人", vec!["t-shirt", "person"]),
            ("你好", vec![]),
        ] {
            assert_eq!(named(text), wanted, "{text}");
        }
    }

    #[test]
    fn every_term_names_itself() {
        for entry in grouped_terms() {
            assert_eq!(terms_in(entry.term.en), [entry.term], "{}", entry.term.en);
            assert_eq!(terms_in(entry.term.zh), [entry.term], "{}", entry.term.zh);
        }
    }
}
