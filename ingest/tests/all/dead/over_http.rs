//! The same over HTTP.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn over_http_a_replay_is_started_watched_and_cancelled() {
    let mut world = World::start().await;
    bury(&world, &numbered(300)).await;
    let mut ingest = world.run("ingest", &[("OPS__API_KEY", "sesame")]);
    let base = format!("{}/v1/ops", ingest.ready().await);
    for path in ["dead", "dead/groups", "dead/01234567", "operations", "operations/x"] {
        assert_eq!(world.get(&format!("{base}/{path}"), &[]).await.0, 401, "{path}");
    }
    assert_eq!(world.post(&format!("{base}/dead/drop"), json!({ "all": true })).await.0, 401);

    let ask = |method: reqwest::Method, path: &str, body: Option<Value>| {
        let request = world.http().request(method, format!("{base}/{path}")).bearer_auth("sesame");
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        async move {
            let answer = request.send().await.expect("an answer");
            let status = answer.status().as_u16();
            (status, serde_json::from_str::<Value>(&answer.text().await.unwrap()).expect("JSON"))
        }
    };
    let (get, post, delete) =
        (reqwest::Method::GET, reqwest::Method::POST, reqwest::Method::DELETE);
    for (path, field) in [
        ("dead?limit=x", "limit"),
        ("dead?limit=5000", "limit"),
        ("dead?key=a%5B", "key"),
        ("dead?nope=1", "nope"),
    ] {
        let (status, problem) = ask(get.clone(), path, None).await;
        assert_eq!((status, &problem["field"]), (400, &json!(field)), "{path}: {problem}");
    }
    for (body, field) in [
        (json!({}), "all"),
        (json!({ "all": true, "rate": -1 }), "rate"),
        (json!({ "since": "soon" }), "since"),
    ] {
        let (status, problem) = ask(post.clone(), "dead/replay", Some(body)).await;
        assert_eq!((status, &problem["field"]), (400, &json!(field)), "{problem}");
    }

    let (status, list) = ask(get.clone(), "dead?limit=2", None).await;
    assert_eq!(
        (status, &list["total"], list["letters"].as_array().unwrap().len()),
        (200, &json!(300), 2)
    );
    let id = list["letters"][1]["message_id"].as_str().unwrap();
    let (status, shown) = ask(get.clone(), &format!("dead/{id}"), None).await;
    assert_eq!((status, &shown["letters"][0]["now"]["state"]), (200, &json!("gone")), "{shown}");
    assert_eq!(ask(get.clone(), "dead/ffffffffffff", None).await.0, 404);
    let (status, groups) = ask(get.clone(), "dead/groups", None).await;
    assert_eq!((status, &groups["groups"][0]["count"]), (200, &json!(300)));
    let (status, trial) =
        ask(post.clone(), "dead/replay", Some(json!({ "all": true, "dry_run": true }))).await;
    assert_eq!((status, &trial["objects"]["gone"]), (200, &json!(300)));

    let (status, started) =
        ask(post.clone(), "dead/replay", Some(json!({ "all": true, "rate": 20 }))).await;
    assert_eq!((status, &started["state"]), (202, &json!("running")), "{started}");
    let operation = format!("operations/{}", started["id"].as_str().unwrap());
    eventually("it goes on", LIMIT, || async {
        (ask(get.clone(), &operation, None).await.1["progress"]["moved"].as_u64()? >= 10)
            .then_some(())
    })
    .await;
    let (status, problem) = ask(post.clone(), "dead/drop", Some(json!({ "all": true }))).await;
    assert_eq!(status, 409, "{problem}");
    assert_eq!(ask(delete, &operation, None).await.0, 202);
    let ended = eventually("it stops", LIMIT, || async {
        let (_, operation) = ask(get.clone(), &operation, None).await;
        (operation["state"] != "running").then_some(operation)
    })
    .await;
    assert_eq!(ended["state"], "cancelled", "{ended}");
    let moved = ended["progress"]["moved"].as_u64().unwrap() as usize;
    assert_eq!((look(&world).await.len(), bulk_depth(&world).await), (300 - moved, moved));

    let (status, _) = ask(post, "dead/drop", Some(json!({ "class": "corrupt_picture" }))).await;
    assert_eq!(status, 202);
    eventually("all are dropped", LIMIT, || async {
        let (_, operations) = ask(get.clone(), "operations", None).await;
        (operations["operations"][0]["state"] == "done").then_some(())
    })
    .await;
    assert_eq!(look(&world).await.len(), 0);
    assert!(ingest.stop().await.success());
    world.finish().await;
}
