//! What goes wrong, and who does what about it.

use std::time::{Duration, Instant};

use captioner::openai::OpenAiSettings;
use pipeline::Action;
use tokio::net::TcpListener;

use super::server::{Reply, Server};
use super::{ANSWER, KEY, assert_failure, assert_true, describe, openai, settings};

/// One try, so that nothing waits.
fn once(server: &Server) -> OpenAiSettings {
    OpenAiSettings { tries: 1, ..settings(&server.base_url) }
}

#[tokio::test]
async fn an_answer_that_is_none_is_asked_for_again_later() {
    let json = r#"{"caption_en": "A black cat.", "caption_zh"#;
    for (reply, class, part) in [
        (Reply::says(""), "empty_caption", "nothing"),
        (Reply::says("Sure! Here is the description:"), "malformed_answer", "not the JSON object"),
        (Reply::says("<think>a cat?"), "empty_caption", "nothing"),
        (Reply::finished("<think>a cat?", "length"), "cut_answer", "openai.max_tokens"),
        (Reply::finished(json, "length"), "cut_answer", "openai.max_tokens"),
        (Reply::says(json), "malformed_answer", "caption_zh"),
        (
            Reply::says(r#"{"caption_en": "A black cat."}"#),
            "malformed_answer",
            "no caption in `zh`",
        ),
        (Reply::says("A black cat."), "malformed_answer", "not the JSON object"),
        (Reply::says("I'm sorry, I can't describe people."), "malformed_answer", "describe people"),
        (Reply::says("抱歉，我无法描述这张图片。"), "malformed_answer", "抱歉"),
        (
            Reply::says("<html><body>Log in first</body></html>"),
            "malformed_answer",
            "not the JSON object",
        ),
        (Reply::new(200, "<html>Log in first</html>"), "malformed_answer", "not JSON"),
        (
            Reply::new(200, r#"{"error": {"message": "out of memory"}}"#),
            "malformed_answer",
            "out of memory",
        ),
        (Reply::says(&"long ".repeat(20_000)), "malformed_answer", "openai.max_answer_bytes"),
    ] {
        let server = Server::start([reply]).await;
        assert_failure(describe(&openai(&once(&server)), "a").await, Action::Retry, class, part);
        assert_eq!(server.requests(), 1);
    }
}

#[tokio::test]
async fn a_picture_that_is_not_taken_is_parked() {
    let echo = format!("cannot read data:image/jpeg;base64,{}", "A".repeat(2000));
    for (reply, class, part) in [
        (Reply::refuses("I'm sorry, I can't describe people."), "refused", "describe people"),
        (Reply::refuses("抱歉，我无法描述这张图片。"), "refused", "抱歉"),
        (Reply::finished("", "content_filter"), "refused", "does not describe"),
        (
            Reply::new(400, r#"{"error": {"message": "cannot identify image file"}}"#),
            "picture_refused",
            "cannot identify",
        ),
        (Reply::new(413, ""), "picture_refused", "413"),
        (Reply::new(422, echo), "picture_refused", "cannot read"),
    ] {
        let server = Server::start([reply]).await;
        assert_failure(
            describe(&openai(&settings(&server.base_url)), "a").await,
            Action::DeadLetter,
            class,
            part,
        );
        assert_eq!(server.requests(), 1);
    }
}

#[tokio::test]
async fn what_somebody_has_to_change_halts() {
    let message = format!("Incorrect API key provided: {KEY}");
    let wrong_key =
        format!(r#"{{"error": {{"message": "{message}", "code": "invalid_api_key"}}}}"#);
    for (reply, part) in [
        (Reply::new(401, wrong_key), "BUCKETLENS_OPENAI_API_KEY"),
        (Reply::new(403, ""), "BUCKETLENS_OPENAI_API_KEY"),
        (
            Reply::new(
                404,
                r#"{"error": {"message": "model 'qwen-vl' not found, try pulling it first"}}"#,
            ),
            "openai.model",
        ),
        (
            Reply::new(400, r#"{"error": {"message": "qwen-vl is not a multimodal model"}}"#),
            "sees pictures",
        ),
        (
            Reply::new(400, r#"{"error": {"message": "response_format is not supported"}}"#),
            "set openai.json = false",
        ),
        (
            Reply::new(422, r#"{"error": {"message": "`json_schema` is unavailable now"}}"#),
            "set openai.json = false",
        ),
    ] {
        let server = Server::start([reply]).await;
        assert_failure(
            describe(&openai(&settings(&server.base_url)), "a").await,
            Action::Halt,
            "provider_refused",
            part,
        );
        assert_eq!(server.requests(), 1);
    }
}

#[tokio::test]
async fn a_redirection_is_not_followed() {
    let other = Server::start([Reply::says(ANSWER)]).await;
    for status in [301, 302, 307, 308] {
        let target = format!("{}/chat/completions", other.base_url);
        let server = Server::start([Reply::new(status, "").header("location", &target)]).await;
        assert_failure(
            describe(&openai(&once(&server)), "a").await,
            Action::Halt,
            "provider_refused",
            "openai.base_url",
        );
    }
    assert_eq!(other.requests(), 0);
}

#[tokio::test]
async fn a_busy_endpoint_is_asked_again_when_it_says() {
    let server = Server::start([
        Reply::new(429, "slow down").header("retry-after", "1"),
        Reply::says(ANSWER),
    ])
    .await;
    let begun = Instant::now();
    assert_true(&describe(&openai(&settings(&server.base_url)), "a").await.unwrap());
    assert!(begun.elapsed() >= Duration::from_secs(1) && server.requests() == 2);
    let server =
        Server::start([Reply::new(503, "").header("retry-after", "0"), Reply::says(ANSWER)]).await;
    assert_true(&describe(&openai(&settings(&server.base_url)), "a").await.unwrap());
}

#[tokio::test]
async fn slow_answers_are_waited_for_hanging_ones_are_not() {
    let server = Server::start([Reply::says(ANSWER).after(Duration::from_millis(200))]).await;
    assert_true(&describe(&openai(&once(&server)), "a").await.unwrap());

    let hurried = |base_url: &str| OpenAiSettings {
        tries: 1,
        timeout: Duration::from_millis(150),
        ..settings(base_url)
    };
    assert_failure(
        describe(&openai(&hurried(&server.base_url)), "a").await,
        Action::Halt,
        "provider_unavailable",
        "in time",
    );
    server.replies([Reply::says(ANSWER).stalling()]);
    assert_failure(
        describe(&openai(&hurried(&server.base_url)), "a").await,
        Action::Halt,
        "provider_unavailable",
        "in time",
    );

    // Accepts connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/v1", silent.local_addr().unwrap());
    assert_failure(
        describe(&openai(&hurried(&address)), "a").await,
        Action::Halt,
        "provider_unavailable",
        "in time",
    );
    drop(silent);
    assert_failure(
        describe(&openai(&hurried(&address)), "a").await,
        Action::Halt,
        "provider_unavailable",
        "reached",
    );
}

#[tokio::test]
async fn the_breaker_opens_and_closes_again() {
    let server =
        Server::start([Reply::new(500, r#"{"error": {"message": "out of memory"}}"#)]).await;
    let openai = openai(&OpenAiSettings { open_after: 3, ..once(&server) });
    for _ in 0..3 {
        assert_failure(describe(&openai, "a").await, Action::Halt, "provider_unavailable", "500");
    }
    // Open: nothing is asked.
    let refused = describe(&openai, "a").await;
    assert_failure(
        refused,
        Action::Halt,
        "provider_unavailable",
        "failed 3 times in a row, asks again in",
    );
    assert_eq!(server.requests(), 3);
    // One request after the cool-down, which fails.
    tokio::time::sleep(Duration::from_millis(320)).await;
    assert_failure(
        describe(&openai, "a").await,
        Action::Halt,
        "provider_unavailable",
        "out of memory",
    );
    assert_failure(describe(&openai, "a").await, Action::Halt, "provider_unavailable", "4 times");
    assert_eq!(server.requests(), 4);
    // The next one decides alone, and well.
    server.replies([Reply::says(ANSWER).after(Duration::from_millis(100))]);
    tokio::time::sleep(Duration::from_millis(320)).await;
    let (first, second) = tokio::join!(describe(&openai, "a"), describe(&openai, "b"));
    assert_true(&first.unwrap());
    assert_failure(second, Action::Halt, "provider_unavailable", "4 times");
    assert_true(&describe(&openai, "b").await.unwrap());
    assert_eq!(server.requests(), 6);
}

#[tokio::test]
async fn a_garbled_endpoint_is_left_alone_as_well() {
    let server = Server::start([Reply::new(200, "<html>Log in first</html>")]).await;
    let openai = openai(&once(&server));
    for _ in 0..3 {
        assert_failure(describe(&openai, "a").await, Action::Retry, "malformed_answer", "not JSON");
    }
    assert_failure(describe(&openai, "a").await, Action::Halt, "provider_unavailable", "3 times");
}

#[tokio::test]
async fn a_request_that_is_given_up_leaves_its_place() {
    let server = Server::start([Reply::says(ANSWER).after(Duration::from_secs(60))]).await;
    let openai = openai(&OpenAiSettings { concurrency: 1, ..settings(&server.base_url) });
    let given_up = tokio::time::timeout(Duration::from_millis(100), describe(&openai, "a")).await;
    assert!(given_up.is_err());
    server.replies([Reply::says(ANSWER)]);
    assert_true(&describe(&openai, "a").await.unwrap());
}
