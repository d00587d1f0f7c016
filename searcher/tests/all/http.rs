//! The API over a real socket: every wrong input is answered 400 with its field, never 500.

use reqwest::StatusCode;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use testkit::{World, solid_jpeg};

async fn problem(answer: reqwest::Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    assert_eq!(answer.headers()["content-type"], "application/problem+json", "{answer:?}");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["status"], json!(status));
    assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
    (status, body["field"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_input_is_400_with_the_field_named() {
    let mut world = World::start().await;
    let mut searcher = world.run("searcher", &[("SEARCH__MAX_IMAGE_BYTES", "200000")]);
    let base = searcher.ready().await;
    let url = format!("{base}/v1/search");

    // Before any table exists, nothing is found, and that is no error.
    let (status, body) = world.get(&url, &[("q", "cat")]).await;
    assert_eq!(
        (status, &body["hits"], &body["model"]),
        (200, &json!([]), &json!("demo-clip")),
        "{body}"
    );

    for (query, field) in [
        ("", "q"),
        ("?q=", "q"),
        ("?q=%20", "q"),
        ("?q=cat&top_k=0", "top_k"),
        ("?q=cat&top_k=1001", "top_k"),
        ("?q=cat&top_k=many", "top_k"),
        ("?q=cat&offset=-1", "offset"),
        ("?q=cat&min_score=high", "min_score"),
        ("?q=cat&min_score=NaN", "min_score"),
        ("?q=cat&where=1", "where"),
        ("?q=cat&collapse=everything", "collapse"),
        ("?q=cat&collapse=", "collapse"),
    ] {
        let answer = world.http().get(format!("{url}{query}")).send().await.unwrap();
        assert_eq!(problem(answer).await, (400, json!(field)), "{query}");
    }
    for (body, field) in [
        (json!({}), "text"),
        (json!({ "examples": [{ "text": "a", "image_id": "0".repeat(32) }] }), "examples"),
        (
            json!({ "text": "a", "weights": { "image": 0, "caption_vector": 0, "text": 0 } }),
            "weights",
        ),
        (json!({ "text": "a", "cursor": "eyJxIjoiIn0" }), "cursor"),
        (json!({ "text": "a", "cursor": "a".repeat(100_000) }), "cursor"),
        (
            json!({ "text": "a", "filter": {
                "place": { "north": 91, "south": 0, "west": 0, "east": 0 }
            } }),
            "filter.place",
        ),
        (json!({ "image": "%%%" }), "image"),
        (json!({ "image": "aGVsbG8gd29ybGQ=" }), "image"),
        (json!({ "image_id": "../../etc" }), "image_id"),
        (json!({ "text": "a", "filter": { "prefix": 7 } }), "filter.prefix"),
        (json!({ "text": "a", "filter": { "sql": "1=1" } }), "filter.sql"),
        (json!({ "text": "a", "collapse": "everything" }), "collapse"),
        (json!("words"), "body"),
    ] {
        let answer = world.http().post(&url).json(&body).send().await.unwrap();
        assert_eq!(problem(answer).await, (400, json!(field)), "{body}");
    }

    let form = |name: &'static str, bytes: Vec<u8>| {
        Form::new().part(name, Part::bytes(bytes).file_name("x"))
    };
    for (form, status, field) in [
        (form("image", b"no picture at all".to_vec()), 400, json!("image")),
        (form("image", Vec::new()), 400, json!("image")),
        (form("picture", solid_jpeg([1, 2, 3], 16)), 400, json!("picture")),
        (form("image", solid_jpeg([1, 2, 3], 16)).text("top_k", "x"), 400, json!("top_k")),
        (
            form("image", solid_jpeg([1, 2, 3], 16)).text("filter", "{\"formats\":3}"),
            400,
            json!("filter.formats"),
        ),
        (
            form("image", solid_jpeg([1, 2, 3], 16)).text("collapse", "everything"),
            400,
            json!("collapse"),
        ),
        (Form::new(), 400, json!("body")),
    ] {
        let answer = world.http().post(&url).multipart(form).send().await.unwrap();
        assert_eq!(problem(answer).await, (status, field));
    }
    let answer = world
        .http()
        .post(&url)
        .body("q=cat")
        .header("content-type", "text/plain")
        .send()
        .await
        .unwrap();
    assert_eq!(problem(answer).await.0, 415);
    let answer = world
        .http()
        .post(&url)
        .json(&json!({ "image": "A".repeat(600_000) }))
        .send()
        .await
        .unwrap();
    assert_eq!(problem(answer).await.0, 413);

    for path in ["/v1/images/xyz", "/v1/images/xyz/thumbnail", "/v1/images/xyz/original"] {
        let answer = world.http().get(format!("{base}{path}")).send().await.unwrap();
        assert_eq!(problem(answer).await, (400, json!("id")), "{path}");
    }
    let answer = world.http().get(format!("{base}/v1/images/%ff")).send().await.unwrap();
    assert_eq!(problem(answer).await, (400, json!("id")));
    let answer = world.http().delete(&url).send().await.unwrap();
    assert_eq!(problem(answer).await.0, 405);
    let none = "/v1/images/00000000000000000000000000000000/original";
    for path in [none, "/v1/nothing", "/v1/images", "/v1", "/v1/", "/nothing"] {
        let answer = world.http().get(format!("{base}{path}")).send().await.unwrap();
        assert_eq!(problem(answer).await.0, 404, "{path}");
    }
    assert!(searcher.stop().await.success());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_narrow_and_hostile_text_stays_text() {
    let mut world = World::start().await;
    let (mut ingest, mut embedder, mut searcher) =
        (world.run_ingest(), world.run("embedder", &[]), world.run("searcher", &[]));
    ingest.ready().await;
    embedder.ready().await;
    let base = searcher.ready().await;
    let url = format!("{base}/v1/search");
    for (key, size) in [("a/1.jpg", 64), ("a/2.jpg", 200), ("b/1.jpg", 64), ("b/100%_'.jpg", 400)] {
        world.put(key, solid_jpeg([90, 160, 220], size)).await;
    }
    world.indexed(&base, 4).await;

    let keys = async |filter: Value| {
        let (status, body) =
            world.post(&url, json!({ "text": "sky", "top_k": 100, "filter": filter })).await;
        assert_eq!(status, 200, "{body}");
        let mut keys: Vec<_> = body["hits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hit| hit["key"].as_str().unwrap().to_owned())
            .collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(json!({})).await.len(), 4);
    assert_eq!(keys(json!({ "prefix": "a/" })).await, ["a/1.jpg", "a/2.jpg"]);
    assert_eq!(keys(json!({ "prefix": "b/100%_'" })).await, ["b/100%_'.jpg"]);
    assert_eq!(keys(json!({ "min_width": 100 })).await, ["a/2.jpg", "b/100%_'.jpg"]);
    assert_eq!(keys(json!({ "min_width": 100, "prefix": "a" })).await, ["a/2.jpg"]);
    assert_eq!(keys(json!({ "formats": ["JPEG", "png"] })).await.len(), 4);
    assert_eq!(keys(json!({ "formats": ["gif"] })).await.len(), 0);
    assert_eq!(keys(json!({ "modified_after": "2020-01-01T00:00:00Z" })).await.len(), 4);
    assert_eq!(keys(json!({ "modified_before": "2020-01-01T00:00:00Z" })).await.len(), 0);
    assert_eq!(
        keys(json!({ "taken_after": "1900-01-01T00:00:00Z" })).await.len(),
        0,
        "these pictures say not when they were taken"
    );
    for hostile in [
        "' OR '1'='1",
        "a/' OR key LIKE '%",
        "%",
        "_",
        "\\",
        "\"; DROP TABLE images; --",
        "\u{0}",
        "a/\u{10ffff}",
    ] {
        assert_eq!(keys(json!({ "prefix": hostile })).await.len(), 0, "{hostile:?}");
        assert_eq!(keys(json!({ "formats": [hostile] })).await.len(), 0, "{hostile:?}");
    }

    // Pages follow each other without repeats or gaps, by cursor as by offset.
    let (mut by_cursor, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let mut request = json!({ "text": "sky", "top_k": 1 });
        if cursor.is_string() {
            request["cursor"] = cursor;
        }
        let (status, body) = world.post(&url, request).await;
        assert_eq!((status, &body["degraded"]), (200, &Value::Null), "{body}");
        by_cursor.extend(
            body["hits"]
                .as_array()
                .unwrap()
                .iter()
                .map(|hit| hit["key"].as_str().unwrap().to_owned()),
        );
        cursor = body["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    let mut paged = Vec::new();
    for offset in 0..5 {
        let (_, body) =
            world.get(&url, &[("q", "sky"), ("top_k", "1"), ("offset", &offset.to_string())]).await;
        paged.extend(
            body["hits"]
                .as_array()
                .unwrap()
                .iter()
                .map(|hit| hit["key"].as_str().unwrap().to_owned()),
        );
    }
    let whole: Vec<_> =
        world.search(&base, "sky", 10).await.into_iter().map(|hit| hit.key).collect();
    assert_eq!((&paged, &by_cursor), (&whole, &whole));
    let best = world.search(&base, "sky", 1).await[0].score;
    let (_, body) =
        world.get(&url, &[("q", "sky"), ("min_score", &(best + 0.001).to_string())]).await;
    assert_eq!(body["hits"], json!([]), "{body}");
    let (_, body) = world
        .get(&url, &[("q", "sky"), ("min_score", &(best - 0.001).to_string()), ("prefix", "")])
        .await;
    assert!(!body["hits"].as_array().unwrap().is_empty(), "{body}");
    drop((ingest, embedder, searcher));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_are_one_hit_where_asked_for() {
    let mut world = World::start().await;
    let (mut ingest, mut embedder, mut searcher) =
        (world.run_ingest(), world.run("embedder", &[]), world.run("searcher", &[]));
    ingest.ready().await;
    embedder.ready().await;
    let base = searcher.ready().await;
    let url = format!("{base}/v1/search");
    let (sky, grass) = (solid_jpeg([90, 160, 220], 64), solid_jpeg([60, 160, 60], 64));
    for key in ["a/1.jpg", "b/1.jpg", "b/2.jpg"] {
        world.put(key, sky.clone()).await;
    }
    world.put("b/grass.jpg", grass.clone()).await;
    world.indexed(&base, 4).await;

    let keys = |hits: &Value| -> Vec<String> {
        hits.as_array().unwrap().iter().map(|hit| hit["key"].as_str().unwrap().to_owned()).collect()
    };
    let (status, all) = world.get(&url, &[("q", "sky"), ("collapse", "none")]).await;
    assert_eq!((status, all["hits"].as_array().unwrap().len()), (200, 4), "{all}");
    assert!(
        all["hits"][0].get("duplicates").is_none() && all["hits"][0]["content_hash"].is_string(),
        "{all}"
    );

    let (status, one) = world.get(&url, &[("q", "sky"), ("collapse", "duplicates")]).await;
    assert_eq!((status, one["hits"].as_array().unwrap().len()), (200, 2), "{one}");
    let of = |body: &Value, bytes: &[u8]| {
        let hash = blake3::hash(bytes).to_hex().to_string();
        body["hits"]
            .as_array()
            .unwrap()
            .iter()
            .find(|hit| hit["content_hash"] == hash)
            .unwrap()
            .clone()
    };
    let hit = of(&one, &sky);
    assert_eq!(hit["duplicates_total"], json!(2), "{hit}");
    let mut found = keys(&hit["duplicates"]);
    found.push(hit["key"].as_str().unwrap().to_owned());
    found.sort();
    assert_eq!(found, ["a/1.jpg", "b/1.jpg", "b/2.jpg"]);
    for field in ["image_id", "bucket", "key", "etag"] {
        assert!(hit["duplicates"][0][field].is_string(), "{hit}");
    }
    assert_eq!(
        (&of(&one, &grass)["duplicates"], &of(&one, &grass)["duplicates_total"]),
        (&json!([]), &json!(0))
    );

    // Only pictures that pass the filter are counted. A form and JSON can collapse, too.
    let request = json!({ "text": "sky", "collapse": "duplicates", "filter": { "prefix": "b/" } });
    let (_, body) = world.post(&url, request).await;
    assert_eq!(of(&body, &sky)["duplicates_total"], json!(1), "{body}");
    let form = Form::new()
        .part("image", Part::bytes(sky.clone()).file_name("x"))
        .text("collapse", "duplicates");
    let body: Value =
        world.http().post(&url).multipart(form).send().await.unwrap().json().await.unwrap();
    assert_eq!(body["hits"].as_array().unwrap().len(), 2, "{body}");

    // Pages count hits, not objects.
    let mut paged = Vec::new();
    for offset in ["0", "1", "2"] {
        let (_, body) = world
            .get(
                &url,
                &[("q", "sky"), ("collapse", "duplicates"), ("top_k", "1"), ("offset", offset)],
            )
            .await;
        paged.extend(keys(&body["hits"]));
    }
    assert_eq!(paged, keys(&one["hits"]));
    drop((ingest, embedder, searcher));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_protects_the_data_but_not_the_page() {
    let mut world = World::start().await;
    let mut searcher = world
        .run("searcher", &[("ACCESS__API_KEY", "sesame"), ("AMQP__URL", "amqp://127.0.0.1:1/%2f")]);
    let base = searcher.ready().await;
    for path in [
        "/v1/search?q=cat",
        "/v1/status",
        "/v1/images/00000000000000000000000000000000",
        "/v1/nothing",
    ] {
        let url = format!("{base}{path}");
        assert_eq!(problem(world.http().get(&url).send().await.unwrap()).await.0, 401, "{path}");
        let wrong = world.http().get(&url).bearer_auth("sesam").send().await.unwrap();
        assert_eq!(problem(wrong).await.0, 401, "{path}");
        let right = world.http().get(&url).bearer_auth("sesame").send().await.unwrap();
        assert_ne!(right.status(), 401, "{path}");
    }
    // While the broker is away, the status says so and stays useful.
    let status: Value = world
        .http()
        .get(format!("{base}/v1/status"))
        .bearer_auth("sesame")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert!(status["queues"].is_null() && status["queues_error"].is_string(), "{status}");
    assert_eq!(
        (&status["model"]["demo"], &status["model"]["provider"]),
        (&json!(true), &json!("cpu")),
        "{status}"
    );

    let as_sent = reqwest::Client::builder().no_gzip().build().unwrap();
    for (path, kind) in
        [("/", "text/html"), ("/ui/app.js", "text/javascript"), ("/ui/style.css", "text/css")]
    {
        let answer = world.http().get(format!("{base}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert!(header("content-type").starts_with(kind), "{path}");
        assert!(header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        let again =
            world.http().get(format!("{base}{path}")).header("if-none-match", header("etag"));
        let again = again.send().await.unwrap();
        assert_eq!(
            (again.status(), again.content_length()),
            (StatusCode::NOT_MODIFIED, Some(0)),
            "{path}"
        );
        let small = as_sent
            .get(format!("{base}{path}"))
            .header("accept-encoding", "gzip")
            .send()
            .await
            .unwrap();
        assert_eq!(small.headers()["content-encoding"], "gzip", "{path}");
        assert!(
            small.bytes().await.unwrap().len() * 2 < answer.bytes().await.unwrap().len(),
            "{path}"
        );
    }
    let metrics = world.http().get(format!("{base}/metrics")).send().await.unwrap();
    assert!(metrics.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    let metrics = metrics.text().await.unwrap();
    for device in ["cpu", "gpu"] {
        let recorded = |line: &&str| {
            line.starts_with("bucketlens_model_nodes{")
                && line.contains("model=\"demo-clip\"")
                && line.contains(&format!("device=\"{device}\""))
        };
        assert!(metrics.lines().any(|line| recorded(&line)), "{device}: {metrics}");
    }
    drop(searcher);
    world.finish().await;
}
