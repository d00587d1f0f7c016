//! Made-up words, real Chinese ones, and the names that filters ask for.

/// Number of different English words.
pub(crate) const VOCABULARY: usize = 20_000;

/// Shares of all rows that filters keep.
pub(crate) const SHARES: [f64; 5] = [0.5, 0.1, 0.02, 0.01, 0.001];
/// Keywords; one of these shares of all rows has each.
pub(crate) const KEYWORDS: [&str; 5] = ["outdoors", "people", "sunset", "wedding", "eclipse"];
/// Top folders; one of these shares of all rows is in each, and the rest is in the last.
pub(crate) const FOLDERS: [&str; 6] =
    ["half", "tenth", "fiftieth", "hundredth", "thousandth", "albums"];

pub(crate) const CHINESE: [&str; 40] = [
    "海边",
    "森林",
    "城市",
    "雪山",
    "沙漠",
    "夕阳",
    "夜晚",
    "白天",
    "汽车",
    "房子",
    "孩子",
    "老人",
    "朋友",
    "生日",
    "婚礼",
    "旅行",
    "火车",
    "飞机",
    "自行车",
    "小猫",
    "小狗",
    "花园",
    "树林",
    "河流",
    "湖水",
    "桥梁",
    "街道",
    "市场",
    "餐厅",
    "厨房",
    "书店",
    "学校",
    "公园",
    "月亮",
    "星星",
    "云彩",
    "雨伞",
    "红色",
    "蓝色",
    "绿色",
];

const CONSONANTS: [&str; 20] = [
    "b", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "t", "v", "w", "z", "br", "kr",
    "pl", "tr",
];
const VOWELS: [&str; 5] = ["a", "e", "i", "o", "u"];

/// The word of this rank, from 0 (the most frequent one) to below [`VOCABULARY`]. Each is another
/// one, of three syllables.
pub(crate) fn word(rank: usize) -> String {
    // The last digit decides the first syllable, so words of neighbouring ranks begin differently.
    let (first, second, third) = (rank % 100, rank / 100 % 100, rank / 10_000 % 100);
    // A third syllable that differs by the others, or 10,000 words would end alike.
    [first, second, (third + first + 7 * second) % 100].into_iter().map(syllable).collect()
}

fn syllable(number: usize) -> String {
    let consonant = CONSONANTS.get(number / VOWELS.len()).copied().unwrap_or_default();
    let vowel = VOWELS.get(number % VOWELS.len()).copied().unwrap_or_default();
    format!("{consonant}{vowel}")
}
