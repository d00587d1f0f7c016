use super::*;

const TOKENIZER: &[u8] = include_bytes!("../tests/models/colours/tokenizer.json");

fn tower(change: impl FnOnce(&mut TextTower)) -> TextTower {
    let mut tower = TextTower {
        input: "ids".into(),
        outputs: vec!["meaning".into()],
        output_index: None,
        mask_input: String::new(),
        type_ids_input: String::new(),
        max_len: 8,
        pad_to: 0,
        pad_id: 0,
        add_special: true,
        lowercase: false,
        strip_punctuation: false,
        collapse_whitespace: false,
        canonicalize: false,
        template: "{}".into(),
        extra_inputs: Vec::new(),
    };
    change(&mut tower);
    tower
}

fn ids(text: &str, change: impl FnOnce(&mut TextTower)) -> Vec<i64> {
    let tokens = Tokens::load(TOKENIZER, &tower(change)).unwrap();
    tokens.encode(&[text.to_owned()], None).unwrap().ids
}

#[test]
fn special_tokens_surround_the_text_and_survive_the_cut() {
    assert_eq!(ids("red green", |_| {}), [1, 4, 5, 2]);
    assert_eq!(ids("red green", |tower| tower.add_special = false), [4, 5]);
    assert_eq!(ids(&"blue ".repeat(500), |_| {}), [1, 6, 6, 6, 6, 6, 6, 2]);
    assert_eq!(ids("", |_| {}), [1, 2]);
}

#[test]
fn rows_get_one_length_and_a_mask() {
    let tokens = Tokens::load(TOKENIZER, &tower(|tower| tower.pad_id = 7)).unwrap();
    let batch = tokens.encode(&["red".into(), "red green blue".into()], None).unwrap();
    assert_eq!((batch.rows, batch.columns), (2, 5));
    assert_eq!(batch.ids, [1, 4, 2, 7, 7, 1, 4, 5, 6, 2]);
    assert_eq!(batch.mask, [1, 1, 1, 0, 0, 1, 1, 1, 1, 1]);
}

#[test]
fn the_length_is_that_of_the_graph_or_the_manifest_or_the_longest_text() {
    let length = |pad_to, fixed| {
        let tokens = Tokens::load(TOKENIZER, &tower(|tower| tower.pad_to = pad_to)).unwrap();
        tokens.encode(&["red".into()], fixed).unwrap().columns
    };
    assert_eq!((length(0, None), length(8, None), length(0, Some(10))), (3, 8, 10));
}

#[test]
fn texts_are_prepared_as_the_manifest_says() {
    assert_eq!(ids("RED", |tower| tower.lowercase = true), [1, 4, 2]);
    assert_eq!(ids("RED", |_| {}), [1, 3, 2]);
    assert_eq!(ids("r.e.d!", |tower| tower.strip_punctuation = true), [1, 4, 2]);
    assert_eq!(ids("green", |tower| tower.template = "red {} blue".into()), [1, 4, 5, 6, 2]);
    let tokens = Tokens::load(TOKENIZER, &tower(|tower| tower.collapse_whitespace = true)).unwrap();
    assert_eq!(tokens.prepare("  red\t\n green  "), "red green");
    let tokens = Tokens::load(TOKENIZER, &tower(|tower| tower.canonicalize = true)).unwrap();
    assert_eq!(tokens.prepare(" A_Red,\t(blue) CAR! 红色。"), "a red blue car 红色。");
}

#[test]
fn no_tokens_at_all_become_one_padding() {
    assert_eq!(ids("", |tower| tower.add_special = false), [0]);
}

#[test]
fn absurdly_long_texts_cost_little() {
    let started = std::time::Instant::now();
    assert_eq!(ids(&"蓝".repeat(2_000_000), |_| {}).len(), 3);
    assert!(started.elapsed().as_secs() < 2);
}

#[test]
fn what_is_no_tokenizer_is_refused() {
    assert!(Tokens::load(b"{}", &tower(|_| {})).is_err());
    assert!(Tokens::load(b"not json", &tower(|_| {})).is_err());
    let error = Tokens::load(TOKENIZER, &tower(|tower| tower.max_len = 2)).err().unwrap();
    assert!(error.contains("2 special tokens"), "{error}");
}
