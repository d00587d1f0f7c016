//! The library by date, uploads by link, operations forwarded: the real programs over HTTP.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{World, eventually, solid_jpeg};

const SOON: Duration = Duration::from_secs(120);

fn keys(page: &Value) -> Vec<String> {
    page["pictures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|picture| picture["key"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_searchable_and_the_library_shows_it_first() {
    let mut world = World::start().await;
    let (mut ingest, mut embedder) =
        (world.run_ingest(), world.run("embedder", &[("RUNTIME__THREADS", "1")]));
    let mut searcher =
        world.run("searcher", &[("UPLOAD__ENABLED", "true"), ("UPLOAD__MAX_BYTES", "100000")]);
    ingest.ready().await;
    embedder.ready().await;
    let base = searcher.ready().await;
    let (status, empty) = world.get(&format!("{base}/v1/library"), &[]).await;
    assert_eq!((status, keys(&empty).len(), &empty["total"]), (200, 0, &json!(0)), "{empty}");

    // Pictures that exist before; their pages are read while more come.
    for n in 0..9 {
        world.put(&format!("old-{n}.jpg"), solid_jpeg([n * 20, 100, 50], 48)).await;
    }
    let library = format!("{base}/v1/library");
    let first = eventually("the library shows all that are there", SOON, || async {
        let (_, first) = world.get(&library, &[("limit", "4")]).await;
        (first["total"] == 9).then_some(first)
    })
    .await;
    let picture = solid_jpeg([200, 30, 30], 64);
    let file = |name: &str, size: usize| {
        let content_type = "image/jpeg";
        json!({ "name": name, "size_bytes": size, "content_type": content_type })
    };
    let wanted = json!({ "files": [
        file("trip/a <b>.jpg", picture.len()),
        file("large.jpg", 100_001),
        file("page.html", 10),
    ] });
    let (status, answer) = world.post(&format!("{base}/v1/uploads"), wanted.clone()).await;
    assert_eq!(status, 200, "{answer}");
    let [link, large, page] = [0, 1, 2].map(|place| answer["uploads"][place].clone());
    assert!(
        large["problem"].as_str().unwrap().contains("at most 100000")
            && page["problem"].is_string(),
        "{answer}"
    );
    let key = link["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("uploads/trip/a <b>-") && key.ends_with(".jpg"), "{key}");
    let object = format!("{base}/v1/objects");
    assert_eq!(world.get(&object, &[("key", &key)]).await.0, 404, "nothing is written yet");
    let send = async || {
        let mut put = world.http().request(Method::PUT, link["url"].as_str().unwrap());
        for (name, value) in link["headers"].as_object().unwrap() {
            put = put.header(name, value.as_str().unwrap());
        }
        put.body(picture.clone()).send().await.unwrap().status().as_u16()
    };
    assert_eq!((send().await, send().await), (200, 412), "there once, never overwritten");
    let again = world.post(&format!("{base}/v1/uploads"), wanted).await.1;
    assert_eq!(
        again["uploads"][0]["key"],
        key.as_str(),
        "asked again after a reload, it is the same object"
    );
    let image_id = eventually("the upload is searchable", SOON, || async {
        let (_, object) = world.get(&object, &[("key", &key)]).await;
        (object["indexed"] == true).then(|| object["image_id"].as_str().unwrap().to_owned())
    })
    .await;
    let (_, found) =
        world.post(&format!("{base}/v1/search"), json!({ "image_id": image_id, "top_k": 1 })).await;
    assert_eq!(found["hits"][0]["key"], key.as_str(), "{found}");
    assert_eq!(
        world.get(&object, &[("key", "old-1.jpg")]).await.0,
        400,
        "nothing is told of other folders"
    );
    let original = format!("{base}/v1/images/{image_id}/original");
    for (query, saves) in [("", false), ("?download=true", true)] {
        let link = world
            .http()
            .get(format!("{original}{query}"))
            .header("accept", "application/json")
            .send()
            .await
            .unwrap();
        let link = link.json::<Value>().await.unwrap()["url"].as_str().unwrap().to_owned();
        let answer = world.http().get(link).send().await.unwrap();
        let disposition = answer
            .headers()
            .get("content-disposition")
            .map(|value| value.to_str().unwrap().to_owned());
        let begin = "attachment; filename*=UTF-8''a%20%3Cb%3E%2D";
        assert_eq!(disposition.is_some_and(|text| text.starts_with(begin)), saves);
        assert_eq!(answer.bytes().await.unwrap(), picture);
    }

    // The upload comes first; pages that were begun before continue where they were.
    let (_, newest) = world.get(&library, &[("limit", "1")]).await;
    assert_eq!((keys(&newest), &newest["total"]), (vec![key], &json!(10)), "{newest}");
    let (mut all, mut cursor) = (keys(&first), first["next_cursor"].clone());
    while let Some(next) = cursor.as_str().map(str::to_owned) {
        let (status, page) = world.get(&library, &[("limit", "4"), ("cursor", &next)]).await;
        assert_eq!(status, 200, "{page}");
        all.extend(keys(&page));
        cursor = page["next_cursor"].clone();
    }
    all.sort();
    assert_eq!(all, (0..9).map(|n| format!("old-{n}.jpg")).collect::<Vec<_>>());
    let (_, months) = world.get(&format!("{library}/months"), &[]).await;
    assert_eq!(
        (months["months"].as_array().unwrap().len(), &months["months"][0]["count"]),
        (1, &json!(10)),
        "{months}"
    );
    for (name, value) in [
        ("limit", "0"),
        ("limit", "501"),
        ("limit", "x"),
        ("cursor", "x"),
        ("from", "june"),
        ("page", "1"),
    ] {
        let (status, problem) = world.get(&library, &[(name, value)]).await;
        assert_eq!((status, &problem["field"]), (400, &json!(name)), "{problem}");
    }
    let (_, none) = world.get(&library, &[("to", "2001-01-01")]).await;
    assert_eq!((keys(&none).len(), &none["total"]), (0, &json!(0)));
    drop((ingest, embedder, searcher));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_are_forwarded_with_the_key_of_the_one_who_asks() {
    let mut world = World::start().await;
    let mut ingest =
        world.run("ingest", &[("WATCH__POLL_INTERVAL", "300ms"), ("OPS__API_KEY", "operator")]);
    let address = ingest.ready().await;
    let mut searcher =
        world.run("searcher", &[("OPERATIONS__URL", &address), ("ACCESS__API_KEY", "reader")]);
    let base = searcher.ready().await;
    let ask = async |method: Method, path: &str, key: &str| {
        let request = world.http().request(method, format!("{base}{path}"));
        let request = request.bearer_auth("reader").header("operators-key", key);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    assert_eq!(
        ask(Method::GET, "/v1/ops/progress", "reader").await.0,
        401,
        "who may search may not operate"
    );
    let (status, progress) = ask(Method::GET, "/v1/ops/progress", "operator").await;
    assert_eq!(
        (status, &progress["stages"][0]["stage"]),
        (200, &json!("embed-demo-clip")),
        "{progress}"
    );
    let (status, health) = ask(Method::GET, "/v1/ops/health", "operator").await;
    let fine = ["store", "broker", "sweep"].map(|part| health[part]["ok"].clone());
    assert_eq!((status, fine), (200, [json!(true), json!(true), json!(true)]), "{health}");
    let (status, paused) =
        ask(Method::POST, "/v1/ops/stages/embed-demo-clip/pause", "operator").await;
    assert_eq!((status, &paused["paused"]), (200, &json!(true)), "{paused}");
    let (status, problem) = ask(Method::GET, "/v1/ops/dead?limit=many", "operator").await;
    assert_eq!((status, &problem["field"]), (400, &json!("limit")), "{problem}");
    assert_eq!(ask(Method::GET, "/v1/ops/dead/00000000/link", "operator").await.0, 404);
    // Ingest's own description comes the same way, and Swagger UI offers it.
    let (status, description) = ask(Method::GET, "/v1/ops/openapi.json", "operator").await;
    assert_eq!((status, description["openapi"].is_string()), (200, true), "{description}");
    assert!(description["paths"]["/v1/ops/progress"].is_object(), "{description}");
    let swagger = world.http().get(format!("{base}/docs/swagger-initializer.js"));
    let swagger = swagger.send().await.unwrap().text().await.unwrap();
    for path in ["/v1/openapi.json", "/v1/ops/openapi.json"] {
        assert!(swagger.contains(&format!("\"{path}\"")), "{path} is missing in {swagger}");
    }
    // A page of another site cannot operate, not even through a browser that has a key.
    let foreign = world
        .http()
        .post(format!("{base}/v1/ops/maintain"))
        .bearer_auth("operator")
        .header("sec-fetch-site", "cross-site");
    assert_eq!(foreign.send().await.unwrap().status().as_u16(), 403);
    assert!(ingest.stop().await.success());
    assert_eq!(ask(Method::GET, "/v1/ops/progress", "operator").await.0, 503, "ingest is away");
    drop(searcher);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_names_every_route_and_a_page_shows_it() {
    let mut world = World::start().await;
    let mut searcher = world.run("searcher", &[]);
    let base = searcher.ready().await;
    let (status, description) = world.get(&format!("{base}/v1/openapi.json"), &[]).await;
    assert_eq!((status, &description["info"]["title"]), (200, &json!("bucketlens searcher")));
    let paths: Vec<_> =
        description["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    for path in [
        "/v1/search",
        "/v1/library",
        "/v1/library/months",
        "/v1/uploads",
        "/v1/objects",
        "/v1/status",
        "/v1/images/{id}",
    ] {
        assert!(paths.contains(&path), "{path} is missing in {paths:?}");
    }
    let page = world.http().get(format!("{base}/docs/")).send().await.unwrap();
    assert_eq!(page.status().as_u16(), 200);
    assert!(
        page.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("default-src 'none'")
    );
    assert!(page.text().await.unwrap().contains("swagger-ui"));
    let swagger = world.http().get(format!("{base}/docs/swagger-initializer.js"));
    let swagger = swagger.send().await.unwrap().text().await.unwrap();
    assert!(
        swagger.contains("/v1/openapi.json") && !swagger.contains("/v1/ops/"),
        "operations are not offered where they are not forwarded: {swagger}"
    );
    // Uploads and operations are off by default.
    assert_eq!(world.post(&format!("{base}/v1/uploads"), json!({ "files": [] })).await.0, 403);
    assert_eq!(world.get(&format!("{base}/v1/ops/progress"), &[]).await.0, 503);
    drop(searcher);
    world.finish().await;
}
