use serde_json::{Value, json};
use utoipa::{PartialSchema, ToSchema};

use super::*;

fn read(json: &Value) -> Result<Filter, String> {
    serde_json::from_str(&json.to_string()).map_err(|error| error.to_string())
}

fn texts<const N: usize>(texts: [&str; N]) -> [String; N] {
    texts.map(String::from)
}

#[test]
fn a_value_a_list_and_lists_by_name_are_read() {
    let place = json!({ "north": 2, "south": 1, "west": 3, "east": 4 });
    let area = Place { north: 2.0, south: 1.0, west: 3.0, east: 4.0 };
    let (wide, high) = (PictureShape::Landscape, PictureShape::Portrait);
    let filter = Filter::default;
    for (json, expected) in [
        (json!({}), filter()),
        (json!({ "prefix": "a" }), Filter { prefix: Values::any(texts(["a"])), ..filter() }),
        (json!({ "prefix": null, "place": null, "orientation": null }), filter()),
        (
            json!({ "formats": ["png", "gif"] }),
            Filter { formats: Values::any(texts(["png", "gif"])), ..filter() },
        ),
        (
            json!({ "keywords": ["car", "red"] }),
            Filter { keywords: Values::all(texts(["car", "red"])), ..filter() },
        ),
        (
            json!({ "keywords": "car" }),
            Filter { keywords: Values::all(texts(["car"])), ..filter() },
        ),
        (
            json!({ "orientation": "landscape" }),
            Filter { orientation: Values::any([wide]), ..filter() },
        ),
        (
            json!({ "orientation": { "none": ["landscape", "portrait"] } }),
            Filter { orientation: Values::none([wide, high]), ..filter() },
        ),
        (json!({ "place": place }), Filter { place: Values::any([area]), ..filter() }),
        (
            json!({ "place": [place, place] }),
            Filter { place: Values::any([area, area]), ..filter() },
        ),
        (
            json!({ "place": { "none": [place] } }),
            Filter { place: Values::none([area]), ..filter() },
        ),
        (json!({ "place": {} }), filter()),
        (
            json!({ "keywords": { "all": ["a"], "any": ["b", "c"], "none": ["d"] } }),
            Filter {
                keywords: Values {
                    all: vec!["a".into()],
                    any: vec!["b".into(), "c".into()],
                    none: vec!["d".into()],
                },
                ..filter()
            },
        ),
        (
            json!({ "missing": ["taken_at", "place", "caption", "keywords"] }),
            Filter {
                missing: vec![
                    MissingFact::TakenAt,
                    MissingFact::Place,
                    MissingFact::Caption,
                    MissingFact::Keywords,
                ],
                ..filter()
            },
        ),
    ] {
        let filter = read(&json).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(filter, expected, "{json}");
        assert_eq!(filter.is_empty(), expected == Filter::default());
        let written = serde_json::to_value(&filter).unwrap();
        assert_eq!(read(&written).unwrap(), expected, "{written}");
    }
}

#[test]
fn whatever_else_is_refused() {
    let long = "a".repeat(MAX_VALUE_BYTES + 1);
    let many = vec!["a"; MAX_VALUES + 1];
    for (json, reason) in [
        (json!({ "prefix": 7 }), "expected a text"),
        (json!({ "prefix": true }), "expected a text"),
        (json!({ "prefix": long }), "longer than 1024 bytes"),
        (json!({ "formats": [long] }), "longer than 1024 bytes"),
        (json!({ "formats": many }), "at most 100 entries"),
        (json!({ "keywords": { "none": many } }), "at most 100 entries"),
        (json!({ "keywords": { "some": ["a"] } }), "unknown field `some`"),
        (json!({ "keywords": { "all": "a" } }), "a list of at most 100"),
        (json!({ "orientation": "round" }), "unknown variant `round`"),
        (json!({ "orientation": { "landscape": true } }), "unknown field `landscape`"),
        (json!({ "place": "here" }), "expected struct Place"),
        (json!({ "place": { "north": 1 } }), "missing field"),
        (json!({ "place": { "middle": 1 } }), "unknown field `middle`"),
        (json!({ "missing": ["camera"] }), "unknown variant `camera`"),
        (json!({ "missing": vec!["place"; 101] }), "at most 100 entries"),
        (json!({ "sql": "1=1" }), "unknown field `sql`"),
    ] {
        let error = read(&json).unwrap_err();
        assert!(error.contains(reason), "{json}: {error}");
    }
    // The order of fields matters here.
    for (json, reason) in [
        (r#"{"keywords": {"all": ["a"], "all": ["b"]}}"#, "duplicate field `all`"),
        (r#"{"place": {"none": [], "north": 1}}"#, "unknown field `north`"),
        (r#"{"place": {"north": 1, "none": []}}"#, "unknown field `none`"),
    ] {
        let error = serde_json::from_str::<Filter>(json).unwrap_err().to_string();
        assert!(error.contains(reason), "{json}: {error}");
    }
}

#[test]
fn only_captions_know_keywords() {
    let needs = |json: Value| read(&json).unwrap().needs_captions();
    assert!(needs(json!({ "keywords": { "none": ["a"] } })));
    assert!(needs(json!({ "missing": ["place", "keywords"] })));
    assert!(needs(json!({ "missing": ["caption"] })));
    assert!(!needs(json!({ "missing": ["place", "taken_at"], "prefix": "a" })));
}

#[test]
fn both_forms_are_described_and_nothing_is_left_open() {
    let described = serde_json::to_value(Filter::schema()).unwrap();
    assert_eq!(described["additionalProperties"], json!(false), "{described}");
    assert_eq!(described.get("required"), None, "{described}");
    for (field, kinds) in [
        ("prefix", json!(["string", "array", "object", "null"])),
        ("formats", json!(["string", "array", "object", "null"])),
        ("keywords", json!(["string", "array", "object", "null"])),
        ("orientation", json!(["string", "array", "object", "null"])),
        ("place", json!(["object", "array", "object", "null"])),
    ] {
        let forms = described["properties"][field]["anyOf"].as_array().unwrap();
        let found: Vec<_> = forms.iter().map(|form| form["type"].clone()).collect();
        assert_eq!(json!(found), kinds, "{field}: {forms:?}");
        assert_eq!(forms[1]["maxItems"], json!(MAX_VALUES));
        assert_eq!(forms[1]["items"], forms[0]);
        assert_eq!(forms[2]["additionalProperties"], json!(false));
        let lists = forms[2]["properties"].as_object().unwrap();
        assert_eq!(lists.keys().collect::<Vec<_>>(), ["all", "any", "none"]);
    }
    let mut parts = Vec::new();
    Filter::schemas(&mut parts);
    assert!(parts.iter().any(|(name, _)| name == "MissingFact"));
}
