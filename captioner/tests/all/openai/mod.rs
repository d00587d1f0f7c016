//! Captions from an OpenAI-compatible endpoint, over real connections: what is asked, what is read,
//! what is tried again.

mod failures;
mod server;
mod worker;

use std::time::Duration;

use captioner::Description;
use captioner::openai::{OpenAi, OpenAiSettings};
use pipeline::{Action, Failure};
use secrecy::SecretString;
use server::{Reply, Server};

const KEY: &str = "sk-very-secret";
const ANSWER: &str =
    r#"{"caption_en": "A black cat.", "caption_zh": "一只黑猫。", "keywords": ["cat", "猫"]}"#;

fn settings(base_url: &str) -> OpenAiSettings {
    OpenAiSettings {
        base_url: base_url.to_owned(),
        model: String::from("qwen-vl"),
        prompt: String::new(),
        timeout: Duration::from_secs(5),
        tries: 2,
        requests_per_minute: 0,
        concurrency: 4,
        max_answer_bytes: 65_536,
        max_tokens: 300,
        json: true,
        open_after: 3,
        cool_down: Duration::from_millis(300),
    }
}

fn languages() -> Vec<String> {
    vec![String::from("en"), String::from("zh")]
}

fn openai(settings: &OpenAiSettings) -> OpenAi {
    // Whichever test is first chooses, for all.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    OpenAi::new(settings, &languages(), Some(SecretString::from(KEY))).unwrap()
}

async fn describe(openai: &OpenAi, image_id: &str) -> Result<Description, Failure> {
    openai.describe(image_id, b"\xff\xd8 a picture \xff\xd9".to_vec()).await
}

fn assert_true(described: &Description) {
    let captions: Vec<(&str, &str)> =
        described.captions.iter().map(|(language, text)| (&**language, &**text)).collect();
    assert_eq!(captions, [("en", "A black cat."), ("zh", "一只黑猫。")]);
}

/// The failure is this one and says whom it is about, and nothing secret.
fn assert_failure(result: Result<Description, Failure>, action: Action, class: &str, part: &str) {
    let failure = result.unwrap_err();
    assert_eq!((failure.action, failure.class), (action, class), "{failure}");
    let reason = &failure.reason;
    assert!(
        reason.contains("qwen-vl") && reason.contains("http://127.0.0.1") && reason.contains(part),
        "{reason}"
    );
    assert!(!reason.contains(KEY) && reason.chars().count() < 700, "{reason}");
}

#[tokio::test]
async fn the_picture_and_the_prompt_are_sent() {
    let server = Server::start([Reply::says(ANSWER)]).await;
    let openai = openai(&settings(&server.base_url));
    let described = describe(&openai, "a").await.unwrap();
    assert_true(&described);
    assert_eq!(described.keywords, ["cat", "猫"]);
    let asked = server.last();
    assert_eq!(asked.headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!((&asked.body["model"], &asked.body["max_tokens"]), (&"qwen-vl".into(), &300.into()));
    let format = &asked.body["response_format"];
    assert_eq!(
        (&format["type"], &format["json_schema"]["strict"]),
        (&"json_schema".into(), &true.into())
    );
    let schema = &format["json_schema"]["schema"];
    assert_eq!(schema["required"], serde_json::json!(["caption_en", "caption_zh", "keywords"]));
    assert_eq!(schema["additionalProperties"], false);
    let [picture, text] = asked.body["messages"][0]["content"].as_array().unwrap().as_slice()
    else {
        panic!("{}", asked.body)
    };
    assert_eq!(picture["image_url"]["url"], "data:image/jpeg;base64,/9ggYSBwaWN0dXJlIP/Z");
    assert_eq!(text["text"], openai.prompt());
    assert!(openai.prompt().contains("caption_en") && openai.prompt().contains("caption_zh"));
}

#[tokio::test]
async fn what_an_endpoint_does_not_know_is_left_out() {
    let server = Server::start([Reply::says("A black cat on a chair.")]).await;
    let settings = OpenAiSettings { json: false, max_tokens: 0, ..settings(&server.base_url) };
    let _ = openai(&settings);
    let openai = OpenAi::new(&settings, &[String::from("en")], None).unwrap();
    let described = describe(&openai, "a").await.unwrap();
    assert_eq!(described.captions, [(String::from("en"), String::from("A black cat on a chair."))]);
    let asked = server.last();
    assert!(asked.body.get("response_format").is_none() && asked.body.get("max_tokens").is_none());
    assert!(!asked.headers.contains_key("authorization"));
}

#[tokio::test]
async fn thinking_and_a_fence_around_an_answer_are_removed() {
    let fenced = format!("```json\n{ANSWER}\n```");
    let thought = format!("<think>A dog? {{no}}</think>{ANSWER}");
    for text in [&fenced, &thought] {
        let server = Server::start([Reply::says(text)]).await;
        assert_true(&describe(&openai(&settings(&server.base_url)), "a").await.unwrap());
    }
}

/// Endpoints that ignore the schema answer so. Asking again is cheaper than guessing.
#[tokio::test]
async fn an_answer_between_other_words_is_asked_for_again() {
    let preamble = format!("Sure! Here it is: {ANSWER}");
    let comma = ANSWER.replace("]}", "],}");
    for text in [&preamble, &comma] {
        let server = Server::start([Reply::says(text), Reply::says(ANSWER)]).await;
        let openai = openai(&settings(&server.base_url));
        let first = describe(&openai, "a").await;
        assert_failure(first, Action::Retry, "malformed_answer", "not the JSON object");
        assert_true(&describe(&openai, "a").await.unwrap());
    }
}

#[tokio::test]
async fn what_is_known_is_not_asked_again() {
    let server = Server::start([
        Reply::says(ANSWER),
        Reply::refuses("I'm sorry, I can't."),
        Reply::says(""),
        Reply::says(ANSWER),
    ])
    .await;
    let openai = openai(&settings(&server.base_url));
    for _ in 0..3 {
        describe(&openai, "good").await.unwrap();
    }
    for _ in 0..2 {
        assert_failure(
            describe(&openai, "refused").await,
            Action::DeadLetter,
            "refused",
            "I'm sorry",
        );
    }
    assert_eq!(server.requests(), 2);
    assert_failure(describe(&openai, "empty").await, Action::Retry, "empty_caption", "nothing");
    assert_true(&describe(&openai, "empty").await.unwrap());
}

#[tokio::test]
async fn no_more_at_once_than_allowed() {
    let server = Server::start([Reply::says(ANSWER).after(Duration::from_millis(40))]).await;
    let openai = openai(&OpenAiSettings { concurrency: 2, ..settings(&server.base_url) });
    let names: Vec<String> = (0..8).map(|number| number.to_string()).collect();
    let all = futures::future::join_all(names.iter().map(|name| describe(&openai, name))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!((server.requests(), server.most_at_once()), (8, 2));
}

#[tokio::test]
async fn requests_keep_to_the_budget() {
    let server = Server::start([Reply::says(ANSWER)]).await;
    let openai = openai(&OpenAiSettings { requests_per_minute: 600, ..settings(&server.base_url) });
    let begun = std::time::Instant::now();
    let all =
        futures::future::join_all(["a", "b", "c", "d"].map(|name| describe(&openai, name))).await;
    assert!(all.iter().all(Result::is_ok));
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
}

#[test]
fn settings_out_of_range_are_named() {
    let good = settings("http://127.0.0.1:11434/v1");
    good.validate().unwrap();
    let with = |change: fn(&mut OpenAiSettings)| {
        let mut settings = good.clone();
        change(&mut settings);
        settings.validate().unwrap_err().to_string()
    };
    for (error, name) in [
        (with(|s| s.base_url = String::from("ftp://x/v1")), "openai.base_url"),
        (with(|s| s.base_url = String::from("https://user:secret@x/v1")), "openai.base_url"),
        (with(|s| s.model.clear()), "openai.model"),
        (with(|s| s.timeout = Duration::ZERO), "openai.timeout"),
        (with(|s| s.tries = 0), "openai.tries"),
        (with(|s| s.requests_per_minute = 100_000), "openai.requests_per_minute"),
        (with(|s| s.concurrency = 0), "openai.concurrency"),
        (with(|s| s.max_answer_bytes = 10), "openai.max_answer_bytes"),
        (with(|s| s.max_tokens = 1 << 20), "openai.max_tokens"),
        (with(|s| s.open_after = 0), "openai.open_after"),
        (with(|s| s.cool_down = Duration::ZERO), "openai.cool_down"),
    ] {
        assert!(error.contains(name) && !error.contains("secret"), "{error}");
    }
    let key = OpenAi::new(&good, &languages(), Some(SecretString::from("two\nlines")))
        .err()
        .unwrap()
        .to_string();
    assert!(key.contains("BUCKETLENS_OPENAI_API_KEY") && !key.contains("lines"), "{key}");
}
