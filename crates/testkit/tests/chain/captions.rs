//! Captions through the real chain: every picture gets its true sentences, once; a new caption
//! replaces the former.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use pipeline::ObjectRef;
use pipeline::job::{Job, Origin, Redo};
use pipeline::stage_name::StageName;
use serde_json::Value;
use table::captions::CaptionText;
use testkit::{Process, World, draw_scenes, eventually, solid_jpeg};

const SOON: Duration = Duration::from_secs(120);
const CAPTIONER: &str = "demo-captioner";
const TABLE: &str = "captions_demo-captioner";
const SERVED: [(&str, &str); 2] =
    [("WATCH__POLL_INTERVAL", "300ms"), ("STAGES__CAPTIONERS", CAPTIONER)];

async fn rows(world: &World, count: usize) -> Vec<String> {
    eventually(&format!("{TABLE} holds {count} rows"), SOON, || async {
        let rows = world.rows(TABLE).await;
        (rows.len() == count).then_some(rows)
    })
    .await
}

async fn ingest(world: &World, arguments: &[&str]) -> Value {
    let output = world.command("ingest", arguments, &SERVED).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

/// Puts one picture and returns its object version.
async fn put(world: &World, key: &str, colour: [u8; 3]) -> ObjectRef {
    let etag = world.put(key, solid_jpeg(colour, 96)).await;
    ObjectRef {
        bucket: world.bucket().into(),
        key: key.into(),
        etag,
        size_bytes: None,
        last_modified: None,
    }
}

async fn settled(world: &World, captioner: &str, outcome: &str) -> f64 {
    let text = world
        .http()
        .get(format!("{captioner}/metrics"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let is_outcome =
        |line: &&str| line.starts_with("bucketlens_jobs_settled_total") && line.contains(outcome);
    text.lines()
        .filter(is_outcome)
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// Words of a demo sentence that are keywords for certain.
fn certain_words(caption: &str) -> Vec<String> {
    let known = [
        "red", "blue", "green", "yellow", "car", "tree", "cat", "fish", "boat", "balloon", "flower",
    ];
    let words = caption.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| known.contains(word)).map(str::to_owned).collect()
}

async fn start(world: &mut World) -> (Process, Process, String) {
    let (mut ingest, mut captioner) =
        (world.run("ingest", &SERVED), world.run("captioner", &[("RUNTIME__THREADS", "1")]));
    ingest.ready().await;
    let base = captioner.ready().await;
    (ingest, captioner, base)
}

#[tokio::test(flavor = "multi_thread")]
async fn scenes_get_their_sentence_in_both_languages() {
    let mut world = World::start().await;
    let (mut ingest, mut captioner, base) = start(&mut world).await;
    let mut embedder = world.run("embedder", &[("RUNTIME__THREADS", "1")]);
    embedder.ready().await;
    let folder = tempfile::tempdir().unwrap();
    let scenes = draw_scenes(folder.path(), 40);
    let scenes = scenes.as_array().unwrap();
    let mut ids = Vec::new();
    for scene in scenes {
        let key = scene["key"].as_str().unwrap();
        let etag = world.put(key, std::fs::read(folder.path().join(key)).unwrap()).await;
        ids.push(pipeline::ImageId::of(world.bucket(), key, &etag).to_string());
    }
    rows(&world, scenes.len()).await;

    let said = world.said(CAPTIONER).await;
    let (mut right, mut zh_right) = (0, 0);
    for (id, scene) in ids.iter().zip(scenes) {
        let CaptionText { caption, language, others, keywords, provider, .. } = &said[id];
        let named = certain_words(caption);
        assert!(
            named.iter().all(|word| keywords.contains(word)),
            "{keywords:?} lacks some of {named:?}"
        );
        assert_eq!(keywords.iter().collect::<BTreeSet<_>>().len(), keywords.len(), "{keywords:?}");
        assert_eq!((language.as_str(), provider.as_str()), ("en", "onnx:demo-captioner"));
        right += usize::from(scene["en"] == caption.as_str());
        zh_right += usize::from(
            others.len() == 1 && others[0].0 == "zh" && scene["zh"] == others[0].1.as_str(),
        );
    }
    assert!(
        right * 100 >= 90 * scenes.len() && zh_right * 100 >= 90 * scenes.len(),
        "{right} and {zh_right} are true: {said:?}"
    );

    let (status, shown) = world.get(&format!("{base}/v1/status"), &[]).await;
    assert_eq!(
        (status, &shown["captioner"]["id"], &shown["captioner"]["languages"][1]),
        (200, &CAPTIONER.into(), &"zh".into())
    );
    assert_eq!(shown["captioner"]["prompt_hash"], said[&ids[0]].prompt_hash);

    // A captioner that settings name is not removed; one they no longer name goes with its queues
    // and its table.
    let remove = ["models", "remove", CAPTIONER, "--grace", "10s"];
    let refused = world.command("ingest", &remove, &SERVED).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("stages.captioners"), "{refused:?}");
    for program in [&mut ingest, &mut embedder, &mut captioner] {
        assert!(program.stop().await.success(), "{}", program.log());
    }
    let without = world.command("ingest", &remove, &[]).await;
    assert!(without.status.success(), "{without:?}");
    let mut ingest = world.run_ingest();
    ingest.ready().await;
    eventually("table and queues of the captioner are gone", SOON, || async {
        let output = world.command("ingest", &["models", "--json"], &[]).await;
        let models: Value = serde_json::from_slice(&output.stdout).ok()?;
        let row = models.as_array()?.iter().find(|row| row["id"] == CAPTIONER)?;
        let gone =
            row["kind"] == "caption" && row["rows"].is_null() && row["queues"]["work"].is_null();
        (gone && row["removed"]["dropped_at"].is_string()).then_some(())
    })
    .await;
    assert_eq!(world.rows("embeddings_demo-clip").await.len(), scenes.len());
    drop(ingest);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_has_one_row_until_it_is_asked_for_again_or_goes() {
    let mut world = World::start().await;
    let (_ingest, _captioner, base) = start(&mut world).await;
    let stage = StageName::caption(CAPTIONER);
    let object = put(&world, "a.jpg", [220, 30, 30]).await;
    let other = put(&world, "b.jpg", [30, 30, 220]).await;
    rows(&world, 2).await;

    // The job comes a second time.
    let job = Job::new(stage.clone(), object.clone(), Origin::Event);
    world.publish(&job).await;
    eventually("the second delivery is settled", SOON, || async {
        (settled(&world, &base, "exists").await > 0.0).then_some(())
    })
    .await;
    assert_eq!(world.rows(TABLE).await.len(), 2);

    // Asked for again, once; however often that is delivered.
    let again = job.again(Redo::Since(Timestamp::now()));
    world.publish(&again).await;
    rows(&world, 3).await;
    world.publish(&again).await;
    eventually("it was done already", SOON, || async {
        (settled(&world, &base, "exists").await > 1.0).then_some(())
    })
    .await;
    let said = world.said(CAPTIONER).await;
    assert_eq!((world.rows(TABLE).await.len(), said.len()), (3, 2));
    ingest(&world, &["maintain", "--once", "--json"]).await;
    rows(&world, 2).await;
    assert_eq!(world.said(CAPTIONER).await, said);

    // Nobody works on a stage that is paused.
    ingest(&world, &["pause", "--stage", stage.as_str()]).await;
    eventually("the captioner rests", SOON, || async {
        let (_, body) = world.get(&format!("{base}/readyz"), &[]).await;
        body["notes"]["work"].is_string().then_some(())
    })
    .await;
    put(&world, "c.jpg", [30, 220, 30]).await;
    eventually("the job waits", SOON, || async {
        let depths = world.depths_of(&stage).await;
        (depths.work.unwrap_or(0) + depths.bulk.unwrap_or(0) == 1).then_some(())
    })
    .await;
    assert_eq!(world.rows(TABLE).await.len(), 2);
    ingest(&world, &["resume", "--stage", stage.as_str()]).await;
    rows(&world, 3).await;

    // What goes takes its row along. `images` has none of it: no embedder ran.
    world.remove("b.jpg").await;
    let left = rows(&world, 2).await;
    assert!(!left.contains(&other.image_id().to_string()));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn captions_of_an_earlier_question_are_made_again() {
    let mut world = World::start().await;
    let (_ingest, mut captioner, _) = start(&mut world).await;
    for (n, colour) in [[220, 30, 30], [30, 220, 30], [30, 30, 220]].into_iter().enumerate() {
        put(&world, &format!("{n}.jpg"), colour).await;
    }
    rows(&world, 3).await;
    let sweep = ["sweep", "--outdated", "--stage", "caption-demo-captioner", "--json"];
    assert_eq!(ingest(&world, &sweep).await["outdated"], 0);

    assert!(captioner.stop().await.success());
    let mut other =
        world.run("captioner", &[("CAPTIONS__LANGUAGES", "zh"), ("RUNTIME__THREADS", "1")]);
    other.ready().await;
    assert!(world.said(CAPTIONER).await.values().all(|said| said.language == "en"));
    let dry = ingest(&world, &[&sweep[..], &["--dry-run"]].concat()).await;
    assert_eq!(
        (&dry["outdated"], &dry["captioners"][CAPTIONER]["outdated"]),
        (&3.into(), &3.into()),
        "{dry}"
    );
    assert_eq!(world.rows(TABLE).await.len(), 3, "a dry run publishes nothing");

    assert_eq!(ingest(&world, &sweep).await["outdated"], 3);
    eventually("all are in Chinese", SOON, || async {
        let said = world.said(CAPTIONER).await;
        (said.len() == 3 && said.values().all(|said| said.language == "zh")).then_some(())
    })
    .await;
    assert_eq!(ingest(&world, &sweep).await["outdated"], 0, "what was said again is not outdated");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caption_is_made_now_for_who_asks() {
    let mut world = World::start().await;
    // Nobody publishes for captions but the searcher.
    let mut ingest = world.run_ingest();
    let (mut embedder, mut captioner) =
        (world.run("embedder", &[]), world.run("captioner", &[("RUNTIME__THREADS", "1")]));
    let (mut searcher, mut without) =
        (world.run("searcher", &[]), world.run("searcher", &[("CAPTIONS__ACTIVE", "")]));
    ingest.ready().await;
    embedder.ready().await;
    captioner.ready().await;
    let (base, none) = (searcher.ready().await, without.ready().await);
    let id = put(&world, "a.jpg", [220, 30, 30]).await.image_id().to_string();
    world.indexed(&base, 1).await;
    let ask = |base: &str, id: &str, query: &str| {
        world.http().post(format!("{base}/v1/images/{id}/caption{query}")).send()
    };

    let answer = ask(&base, &id, "").await.unwrap();
    let (status, body) = (answer.status(), answer.json::<Value>().await.unwrap());
    assert_eq!(
        (status.as_u16(), &body["stage"]),
        (202, &"caption-demo-captioner".into()),
        "{body}"
    );
    eventually("the caption is shown", SOON, || async {
        let (_, shown) = world.get(&format!("{base}{}", body["look_at"].as_str()?), &[]).await;
        shown["caption"].is_string().then_some(())
    })
    .await;
    assert_eq!(world.rows(TABLE).await.len(), 1);
    assert_eq!(ask(&base, &id, "?redo=true").await.unwrap().status(), 202);
    rows(&world, 2).await;

    assert_eq!(ask(&base, &"0".repeat(32), "").await.unwrap().status(), 404);
    assert_eq!(ask(&base, "nonsense", "").await.unwrap().status(), 400);
    assert_eq!(ask(&base, &id, "?redo=maybe").await.unwrap().status(), 400);
    assert_eq!(ask(&none, &id, "").await.unwrap().status(), 409);
    drop((ingest, embedder, captioner, searcher, without));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_captioner_loses_nothing() {
    let mut world = World::start().await;
    let slow = [
        ("BATCH__MAX_ROWS", "64"),
        ("BATCH__MAX_WAIT", "2s"),
        ("AMQP__PREFETCH", "32"),
        ("RUNTIME__THREADS", "1"),
    ];
    let mut ingest = world.run("ingest", &SERVED);
    ingest.ready().await;
    let count = 60;
    for n in 0..count {
        put(
            &world,
            &format!("{n:03}.jpg"),
            [(n * 37 % 256) as u8, (n * 91 % 256) as u8, (n * 53 % 256) as u8],
        )
        .await;
    }
    let mut victim = world.run("captioner", &slow);
    let base = victim.ready().await;
    eventually("the victim holds jobs", SOON, || async {
        let text =
            world.http().get(format!("{base}/metrics")).send().await.ok()?.text().await.ok()?;
        text.contains("bucketlens_deliveries_total").then_some(())
    })
    .await;
    victim.kill();
    let mut other = world.run("captioner", &slow);
    other.ready().await;
    eventually("every picture has a row", SOON, || async {
        let rows = world.rows(TABLE).await;
        (rows.iter().collect::<BTreeSet<_>>().len() == count).then_some(())
    })
    .await;
    let stage = StageName::caption(CAPTIONER);
    eventually("nothing waits", SOON, || async {
        let depths = world.depths_of(&stage).await;
        let all = [depths.work, depths.bulk, depths.retry, depths.suspect, depths.dead];
        (all.into_iter().flatten().sum::<u32>() == 0).then_some(())
    })
    .await;
    drop((ingest, other));
    world.finish().await;
}
