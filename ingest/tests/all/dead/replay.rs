//! Replays that are killed, interrupted, or in vain.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_replay_loses_nothing_and_the_next_one_finishes_it() {
    let world = World::start().await;
    bury(&world, &numbered(200)).await;
    let mut replay = spawn(&world, &["replay", "--all", "--rate", "40"]);
    eventually("some are replayed", LIMIT, || async {
        (bulk_depth(&world).await >= 20).then_some(())
    })
    .await;
    replay.kill().unwrap();
    replay.wait().unwrap();

    let left = look(&world).await;
    assert!(
        left.len() > 50 && bulk_depth(&world).await + left.len() >= 200,
        "it was killed half way: {} left",
        left.len()
    );
    json_of(&world, &["replay", "--all", "--json"]);
    assert_eq!(look(&world).await.len(), 0);
    let jobs = take_jobs(&world).await;
    let mut keys: Vec<_> = jobs.keys().cloned().collect();
    keys.sort();
    assert_eq!(keys, numbered(200));
    // At most those that were between confirm and ack when it died.
    assert!(jobs.values().sum::<usize>() <= 200 + 64, "{}", jobs.values().sum::<usize>());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_replay_says_what_it_did() {
    let world = World::start().await;
    bury(&world, &numbered(200)).await;
    let replay = spawn(&world, &["replay", "--all", "--rate", "40", "--json"]);
    eventually("some are replayed", LIMIT, || async {
        (bulk_depth(&world).await >= 20).then_some(())
    })
    .await;
    assert!(
        Command::new("kill").args(["-INT", &replay.id().to_string()]).status().unwrap().success()
    );
    let output = replay.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let walked: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (moved, left) =
        (walked["moved"].as_u64().unwrap() as usize, walked["left"].as_u64().unwrap() as usize);
    assert!(walked["cancelled"] == true && moved + left == 200 && left > 0, "{walked}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("left"), "{output:?}");
    assert_eq!((bulk_depth(&world).await, look(&world).await.len()), (moved, left));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dies_again_says_how_often_it_was_replayed() {
    let mut world = World::start().await;
    world.put("half.jpg", testkit::broken()[0].1.clone()).await;
    let (mut ingest, mut embedder) = (world.run_ingest(), world.run("embedder", &[]));
    ingest.ready().await;
    embedder.ready().await;
    let died = |replays: u32| {
        let world = &world;
        eventually("the job dies", LIMIT, move || async move {
            look(world).await.into_iter().find(|letter| letter.replays == replays)
        })
    };
    let first = died(0).await;
    for replays in 1..=2 {
        json_of(&world, &["replay", "--id", &first.message_id, "--json"]);
        let again = died(replays).await;
        assert_eq!((&again.class, again.origin.as_deref()), (&first.class, Some("replay")));
        assert_eq!(
            (again.first_failed, again.history.len()),
            (first.first_failed, 1 + replays as usize)
        );
        assert!(again.replay_id.is_some());
    }
    assert_eq!(json_of(&world, &["groups", "--json"])["groups"][0]["replayed"], 1);
    assert!(ingest.stop().await.success() && embedder.stop().await.success());
    world.finish().await;
}
