//! The command `ingest dead`: listing, selecting, arguments.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_command_shows_selects_and_moves() {
    let world = World::start().await;
    let etag = world.put("a/here.jpg", "half a picture").await;
    let old = world.put("a/changed.jpg", "before").await;
    world.put("a/changed.jpg", "after").await;
    let burial = |key, etag, class, reason, at| FailedJob { key, etag, class, reason, at };
    let ids = world
        .bury(&[
            burial(
                "a/here.jpg",
                etag.as_str(),
                "corrupt_picture",
                "'a/here.jpg' ends after 14 bytes",
                NOON,
            ),
            burial(
                "a/changed.jpg",
                old.as_str(),
                "corrupt_picture",
                "'a/changed.jpg' ends after 6 bytes",
                NOON,
            ),
            burial(
                "b/gone \u{1b}[31m.jpg",
                "e",
                "too_many_pixels",
                "has 40000 × 40000 pixels",
                "2026-07-02T12:00:00Z",
            ),
        ])
        .await;

    let groups = json_of(&world, &["groups", "--json"]);
    assert_eq!(
        (&groups["total"], groups["groups"].as_array().unwrap().len()),
        (&json!(3), 2),
        "{groups}"
    );
    assert_eq!(
        (&groups["groups"][0]["count"], &groups["groups"][0]["reason"]),
        (&json!(2), &json!("… ends after # bytes"))
    );
    let group = groups["groups"][0]["id"].as_str().unwrap();

    let list = json_of(&world, &["list", "--group", group, "--json"]);
    assert_eq!(
        (&list["matching"], &list["letters"][1]["object"]["key"]),
        (&json!(2), &json!("a/changed.jpg"))
    );
    let table = text(&world, &["list", "--since", "2026-07-02"]);
    assert!(table.contains("too_many_pixels") && !table.contains("corrupt_picture"), "{table}");
    assert!(!table.contains('\u{1b}'), "keys do not steer the terminal: {table}");

    for (id, now) in [(&ids[0], "present"), (&ids[1], "overwritten"), (&ids[2], "gone")] {
        let shown = json_of(&world, &["show", id, "--json"]);
        assert_eq!((&shown[0]["message_id"], &shown[0]["now"]["state"]), (&json!(id), &json!(now)));
        let shown = text(&world, &["show", &id[..10]]);
        assert!(
            shown.contains("worker-1") && shown.contains("model-1") && shown.contains(id.as_str()),
            "{shown}"
        );
    }

    let trial = json_of(&world, &["replay", "--all", "--dry-run", "--json"]);
    assert_eq!(
        trial["objects"],
        json!({ "present": 1, "overwritten": 1, "gone": 1, "unknown": 0 }),
        "{trial}"
    );
    assert_eq!(
        (look(&world).await.len(), bulk_depth(&world).await),
        (3, 0),
        "a dry run changes nothing"
    );

    let exported = text(&world, &["export"]);
    let lines: Vec<Value> =
        exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["body"]["object"]["etag"]), (3, &json!(etag)));

    let walked = json_of(&world, &["replay", "--key", "a/*", "--limit", "1", "--json"]);
    assert_eq!(
        (&walked["moved"], &walked["skipped"], &walked["left"]),
        (&json!(1), &json!(2), &json!(0)),
        "{walked}"
    );
    assert_eq!(take_jobs(&world).await, HashMap::from([("a/here.jpg".to_owned(), 1)]));
    let dropped = text(&world, &["drop", "--class", "too_many_pixels"]);
    assert!(dropped.contains("1 of 2 dead letters dropped"), "{dropped}");
    assert_eq!(
        look(&world).await.iter().map(|letter| letter.message_id.as_str()).collect::<Vec<_>>(),
        [ids[1].as_str()]
    );
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_arguments_exit_with_2_and_a_failure_with_1() {
    let world = World::start().await;
    for arguments in [
        &["replay"][..],
        &["drop", "--limit", "3"],
        &["replay", "--key", "a["],
        &["replay", "--all", "--rate", "0"],
        &["list", "--since", "soon"],
        &["list", "--stage", "nonsense"],
        &["show"],
    ] {
        let output = run(&world, arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    assert_eq!(run(&world, &["show", "0123456789"]).status.code(), Some(1));
    let away = command(&world, &["list"])
        .env("BUCKETLENS__AMQP__URL", "amqp://127.0.0.1:1/%2f")
        .output()
        .unwrap();
    assert_eq!(away.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&away.stderr).contains("amqp.url"), "{away:?}");
    let wrong = command(&world, &["list"]).env("BUCKETLENS__AMQP__PREFETCH", "0").output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    world.finish().await;
}
