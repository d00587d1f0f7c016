use axum::body::Bytes;
use axum::response::IntoResponse;

use super::*;

fn wrong_field(json: &str) -> String {
    let problem = SearchQuery::from_json(json.as_bytes()).unwrap_err().into_response();
    assert_eq!(problem.status(), 400);
    let body = futures_body(problem);
    serde_json::from_str::<serde_json::Value>(&body).unwrap()["field"].as_str().unwrap().to_owned()
}

fn futures_body(response: axum::response::Response) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let bytes = runtime.block_on(axum::body::to_bytes(response.into_body(), usize::MAX)).unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn examples(json: &str) -> Vec<(Example, f32)> {
    SearchQuery::from_json(json.as_bytes()).unwrap().examples
}

#[test]
fn a_search_has_one_or_several_examples() {
    let cat = (Example::Text("cat".into()), 1.0);
    assert_eq!(examples(r#"{"text":"cat"}"#), std::slice::from_ref(&cat));
    assert_eq!(examples(r#"{"image":"aGk="}"#), [(Example::Image(Bytes::from_static(b"hi")), 1.0)]);
    assert_eq!(
        examples(r#"{"text":"cat","vector":[1,0.5]}"#),
        [cat.clone(), (Example::Vector(vec![1.0, 0.5]), 1.0)]
    );
    let weighted = examples(r#"{"text":"cat","examples":[{"text":"dog","weight":-0.5}]}"#);
    assert_eq!(weighted, [cat, (Example::Text("dog".into()), -0.5)]);
    assert_eq!(wrong_field("{}"), "text");
}

#[test]
fn words_with_a_minus_are_set_aside() {
    let query = SearchQuery::from_json(
        r#"{"text":"red car -night","examples":[{"text":"snow","weight":-1}]}"#.as_bytes(),
    )
    .unwrap();
    assert_eq!(
        (query.words.as_deref(), query.excluded),
        (Some("red car"), vec![String::from("night")])
    );
    assert_eq!(query.examples[0].0, Example::Text("red car".into()));
}

#[test]
fn a_cursor_goes_with_its_query_only() {
    let digest = |json: &str| SearchQuery::from_json(json.as_bytes()).unwrap().digest;
    assert_eq!(digest(r#"{"text":"a","top_k":3}"#), digest(r#"{"text":"a","top_k":500}"#));
    for other in [
        r#"{"text":"b"}"#,
        r#"{"text":"a","cutoff":"auto"}"#,
        r#"{"text":"a","filter":{"prefix":"x"}}"#,
    ] {
        assert_ne!(digest(r#"{"text":"a"}"#), digest(other), "{other}");
    }
    // A cursor is opened where its key is known.
    let next = SearchQuery::from_json(br#"{"text":"a","cursor":"xyz"}"#).unwrap();
    assert_eq!(next.cursor.as_deref(), Some("xyz"));
    assert_eq!(wrong_field(r#"{"text":"a","offset":1,"cursor":"xyz"}"#), "offset");
}

#[test]
fn keywords_of_a_filter_take_the_form_of_tables() {
    let query = SearchQuery::from_json(
        r#"{"text":"a","filter":{"keywords":{"none":[" Ｔ恤"]}}}"#.as_bytes(),
    );
    assert_eq!(query.unwrap().filter.keywords.none, ["t恤"]);
}

#[test]
fn values_beyond_their_bound_are_refused_while_they_are_read() {
    let many = |value: &str, count: usize| vec![value; count].join(",");
    let examples = many("{}", 9_000_000);
    let body = format!(r#"{{"text":"a","examples":[{examples}]}}"#);
    let problem = SearchQuery::from_json(body.as_bytes()).unwrap_err();
    // A few bytes from the beginning of 27 million.
    assert_eq!(problem.detail(), "must have at most 8 entries at line 1 column 51");
    assert_eq!(wrong_field(&body), "examples");
    for (json, field) in [
        (format!(r#"{{"vector":[{}]}}"#, many("1", 8193)), "vector"),
        (format!(r#"{{"examples":[{{"vector":[{}]}}]}}"#, many("1", 8193)), "examples[0].vector"),
        (format!(r#"{{"text":"{}"}}"#, "a".repeat(4001)), "text"),
        (format!(r#"{{"text":"a","model":"{}"}}"#, "a".repeat(257)), "model"),
        (format!(r#"{{"text":"a","cursor":"{}"}}"#, "a".repeat(2049)), "cursor"),
        (format!(r#"{{"image_url":"{}"}}"#, "a".repeat(2049)), "image_url"),
        (format!(r#"{{"image_id":"{}"}}"#, "a".repeat(65)), "image_id"),
        (
            format!(r#"{{"text":"a","filter":{{"keywords":[{}]}}}}"#, many("\"a\"", 101)),
            "filter.keywords",
        ),
        (
            format!(r#"{{"text":"a","filter":{{"formats":{{"any":[{}]}}}}}}"#, many("\"a\"", 101)),
            "filter.formats.any",
        ),
    ] {
        assert_eq!(wrong_field(&json), field, "{}", &json[..40]);
    }
}

#[test]
fn only_a_picture_makes_json_large() {
    let space = " ".repeat(256 << 10);
    let read = |json: &str| SearchQuery::from_json(format!("{json}{space}").as_bytes());
    let problem = read(r#"{"text":"a"}"#).unwrap_err().into_response();
    assert_eq!(problem.status(), 413);
    assert!(read(r#"{"image":"aGk="}"#).is_ok());
    assert!(read(r#"{"examples":[{"image":"aGk="}]}"#).is_ok());
}

#[test]
fn whatever_is_wrong_names_its_field() {
    for (json, field) in [
        (r#"{"text":"  "}"#, "text"),
        (r#"{"text":"-night"}"#, "text"),
        (r#"{"text":"a","top_k":0}"#, "top_k"),
        (r#"{"text":"a","top_k":1001}"#, "top_k"),
        (r#"{"text":"a","top_k":-1}"#, "top_k"),
        (r#"{"text":"a","top_k":"x"}"#, "top_k"),
        (r#"{"text":"a","offset":99999999}"#, "offset"),
        (r#"{"text":"a","min_score":7}"#, "min_score"),
        (r#"{"image":"***"}"#, "image"),
        (r#"{"image_url":"no address"}"#, "image_url"),
        (r#"{"examples":[{"image_url":"http://"}]}"#, "image_url"),
        (r#"{"image_id":"' OR 1=1"}"#, "image_id"),
        (r#"{"vector":[0,0]}"#, "vector"),
        (r#"{"text":"a","filter":{"taken_after":"tomorrow"}}"#, "filter.taken_after"),
        (r#"{"text":"a","filter":{"sql":"1=1"}}"#, "filter.sql"),
        (r#"{"text":"a","filter":{"orientation":"round"}}"#, "filter.orientation"),
        (
            r#"{"text":"a","filter":{"place":{"north":1,"south":2,"west":0,"east":0}}}"#,
            "filter.place",
        ),
        (r#"{"text":"a","collapse":"everything"}"#, "collapse"),
        (r#"{"text":"a","collapse":true}"#, "collapse"),
        (r#"{"text":"a","fusion":"magic"}"#, "fusion"),
        (r#"{"text":"a","cutoff":0.5}"#, "cutoff"),
        (r#"{"text":"a","sort":"key"}"#, "sort"),
        (r#"{"text":"a","weights":{"image":-1}}"#, "weights.image"),
        (r#"{"text":"a","weights":{"image":0,"caption_vector":0,"text":0}}"#, "weights"),
        (r#"{"text":"a","weights":{"colour":1}}"#, "weights.colour"),
        (r#"{"text":"a","cursor":7}"#, "cursor"),
        (r#"{"text":"a","filter":{"keywords":["a"," "]}}"#, "filter.keywords"),
        (r#"{"text":"a","filter":{"keywords":{"none":[""]}}}"#, "filter.keywords"),
        (r#"{"text":"a","filter":{"keywords":{"some":["a"]}}}"#, "filter.keywords"),
        (r#"{"text":"a","filter":{"missing":["camera"]}}"#, "filter.missing[0]"),
        (r#"{"examples":[{"weight":1}]}"#, "examples"),
        (r#"{"examples":[{"text":"a","image_id":"b"}]}"#, "examples"),
        (r#"{"text":"a","examples":[{"text":"b","weight":0}]}"#, "examples"),
        (r#"{"examples":[{"text":"b","weight":-1}]}"#, "examples"),
        (r#"{"txet":"a"}"#, "txet"),
        ("not json", "body"),
        (r#"{"text":"a"} trailing"#, "body"),
    ] {
        assert_eq!(wrong_field(json), field, "{json}");
    }
    assert_eq!(wrong_field(&format!(r#"{{"text":"{}"}}"#, "a".repeat(1001))), "text");
    let minus: String = (0..9).map(|n| format!(" -b{n}")).collect();
    assert_eq!(wrong_field(&format!(r#"{{"text":"a{minus}"}}"#)), "text");
}
