//! Texts and questions of many scripts.

use super::*;

fn document(text: &str) -> Vec<String> {
    terms_of_document(text).into_iter().map(|(term, _)| term).collect()
}

fn question(text: &str) -> Vec<String> {
    terms_of_question(text).into_iter().map(|(term, _)| term).collect()
}

/// Whether a text holds all of a question that has terms.
fn finds(asked: &str, text: &str) -> bool {
    let question = terms_of_question(asked);
    let held = held(&question, text);
    !question.is_empty() && held.occurrences.iter().all(|occurrences| *occurrences > 0)
}

#[test]
fn english_is_stemmed_and_folded_without_stop_words() {
    assert_eq!(question("A red car on the beach at sunset"), ["red", "car", "beach", "sunset"]);
    assert_eq!(document("The CARS, the car: cafés"), ["cafe", "car"]);
    assert_eq!(terms_of_document("The CARS, the car"), [(String::from("car"), 2)]);
    assert!(finds("café", "two cafes"));
    assert_eq!(question("the hat, a van"), ["hat", "van"]);
    assert_eq!(
        document("The cat's house, the children’s don't"),
        ["cat", "children", "don", "hous"]
    );
}

#[test]
fn stop_words_are_on_neither_side() {
    for text in ["of the 的", "pictures", "a photo", "IMAGE", "一张照片", "", "  ", "😀 🎉"]
    {
        assert!(document(text).is_empty() || text.contains('张'), "{text}: {:?}", document(text));
        assert!(question(text).is_empty(), "{text}: {:?}", question(text));
    }
}

#[test]
fn keys_are_cut_into_words() {
    assert_eq!(
        question("trips/oslo-2019/IMG_0042.jpg"),
        ["trip", "oslo", "2019", "img", "0042", "jpg"]
    );
    assert_eq!(document("Strand-Urlaub_2019"), ["2019", "strand", "urlaub"]);
    assert_eq!(document(r"a\b.c+d,red"), ["b", "c", "d", "red"]);
    assert!(finds("img 0042", "dcim/IMG0042.JPG"));
    assert!(finds("IMG0042.jpg", "dcim/IMG0042.JPG"));
    assert!(finds("IMG0042", "dcim/IMG_0042.JPG"));
}

#[test]
fn a_change_of_case_separates_words_of_texts() {
    assert_eq!(
        document("BeachHouse2019"),
        ["2019", "beach", "beachhous", "beachhouse2019", "hous"]
    );
    for asked in ["beach house 2019", "beachhouse", "beachhouse2019", "BeachHouse2019"] {
        assert!(finds(asked, "BeachHouse2019.jpg"), "{asked}");
    }
    assert_eq!(document("HTTPServer"), ["http", "httpserver", "server"]);
    assert_eq!(document("ÉtéÀParis"), ["ete", "eteapari", "pari"]);
    assert_eq!(document("iPhone"), ["iphon", "phone"]);
    // Short parts are no words.
    assert_eq!(document("GoPro mp3 4k xYzAbQ"), ["4k", "gopro", "mp3", "xyzabq"]);
}

#[test]
fn names_from_macos_are_the_same() {
    let apart: String = "Café Strände 東京ガード 고양이".nfd().collect();
    assert_ne!(apart, "Café Strände 東京ガード 고양이");
    assert_eq!(document(&apart), document("Café Strände 東京ガード 고양이"));
    assert_eq!(terms_of_question(&apart), terms_of_question("Café Strände 東京ガード 고양이"));
    assert_eq!(document("ＡＢＣ５００ ｶﾞｰﾄﾞ"), document("ABC500 ガード"));
}

#[test]
fn chinese_is_found_however_it_is_cut() {
    assert_eq!(question("夜晚的红色汽车"), ["夜晚", "红色", "汽车"]);
    let text = "夜晚的红色汽车停在火车站旁";
    for asked in ["车", "汽车", "红色汽车", "火车站", "色汽", "夜晚 车站"] {
        assert!(finds(asked, text), "{asked}");
    }
    for asked in ["自行车", "马", "图书馆", "晚上的汽车"] {
        assert!(!finds(asked, text), "{asked}");
    }
}

#[test]
fn a_long_chinese_word_is_held_with_all_its_pairs() {
    let question = terms_of_question("向日葵和猫");
    let terms: Vec<_> = question.iter().map(|(term, written)| (&**term, &**written)).collect();
    assert_eq!(terms, [("向日", "向日葵"), ("日葵", "向日葵"), ("猫", "猫")]);
    assert_eq!(words_held(&question, &held(&question, "向日的猫").occurrences), ["猫"]);
    assert_eq!(words_held(&question, &held(&question, "大向日葵").occurrences), ["向日葵"]);
}

#[test]
fn mixed_scripts_are_cut_apart() {
    assert_eq!(question("T恤"), ["t", "恤"]);
    assert_eq!(document("T恤"), ["t", "恤"]);
    assert!(finds("iphone 手机", "iPhone手机壳"));
    assert!(finds("X光片", "胸部X光片"));
    assert!(finds("2019年", "旅行2019年夏"));
}

#[test]
fn other_scripts_work() {
    for (asked, text) in [
        ("москва", "Вечерняя Москва"),
        ("ΑΘΗΝΑ", "Η Αθήνα τη νύχτα"),
        ("مدرسة", "صورة مَدرَسة قديمة"),
        ("ילדים", "יְלָדִים משחקים"),
        ("แมว", "แมวดำนอนบนโซฟา"),
        ("น้ำ", "แมวดื่มน้ำ"),
        ("タワー", "東京タワーの夜景"),
        ("東京", "東京タワーの夜景"),
        ("夜景", "東京タワーの夜景"),
        ("고양이", "검은 고양이가 잔다"),
        ("हिन्दी", "हिन्दी में"),
        ("straße", "Hauptstrasse STRASSE"),
    ] {
        assert!(finds(asked, text), "{asked}: {:?} {:?}", question(asked), document(text));
    }
}

#[test]
fn a_word_is_shown_as_it_was_written() {
    assert_eq!(terms_of_question("Cars"), [(String::from("car"), String::from("Cars"))]);
    let question = terms_of_question("red Cars zebra");
    let held = held(&question, "Red cars, red car");
    assert_eq!(held, HeldTerms { occurrences: vec![2, 2, 0], length: 4 });
    assert_eq!(words_held(&question, &held.occurrences), ["red", "Cars"]);
}

#[test]
fn long_texts_and_words_end() {
    let long = "ß".repeat(1 << 20);
    let terms = terms_of_document(&long);
    assert_eq!(terms.len(), 1);
    assert!(terms.iter().all(|(term, _)| term.len() <= 64));
    assert!(terms_of_document(&"车".repeat(1 << 20)).len() <= 2);
    let often = held(&terms_of_question("car"), &"car ".repeat(1_000));
    assert_eq!(often, HeldTerms { occurrences: vec![255], length: 1_000 });
}
