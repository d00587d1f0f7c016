//! The local files of the snapshot: they spare the next start, and any damage to them is made good.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use testkit::{Process, ProxyOptions, World, eventually};

use crate::captioned_library::CaptionedLibrary;
use crate::vectors::demo_space;

const LIMIT: Duration = Duration::from_secs(30);

/// Waits until searches are answered from memory, with this many pictures.
async fn in_memory(world: &World, base: &str, pictures: usize) {
    let expected = format!("bucketlens_snapshot_pictures {pictures}");
    eventually("the snapshot is made", LIMIT, async || {
        let metrics = world.http().get(format!("{base}/metrics")).send().await.unwrap();
        let text = metrics.text().await.unwrap();
        text.lines().any(|line| line == expected).then_some(())
    })
    .await;
}

async fn found(world: &World, base: &str, library: &CaptionedLibrary) -> HashSet<String> {
    let query = json!({
        "vector": library.example("car"), "top_k": 8, "filter": { "keywords": ["car"] },
    });
    let (status, body) = world.post(&format!("{base}/v1/search"), query).await;
    assert_eq!(status, 200, "{body}");
    let hits = body["hits"].as_array().unwrap().iter();
    hits.map(|hit| hit["key"].as_str().unwrap().to_owned()).collect()
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let below = |path: std::path::PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(|entry| below(entry.path())).collect()
}

fn searcher(world: &mut World, folder: &Path) -> Process {
    world.run("searcher", &[("CACHE__FOLDER", folder.to_str().unwrap())])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_start_reads_no_rows_but_those_that_came_since() {
    let mut world = World::start_with(ProxyOptions::default()).await;
    let mut library = CaptionedLibrary::make(&world, demo_space()).await;
    library.add("a").await;
    let folder = tempfile::tempdir().unwrap();
    let mut first = searcher(&mut world, folder.path());
    let base = first.ready().await;
    in_memory(&world, &base, 40).await;
    let expected = found(&world, &base, &library).await;
    assert_eq!(expected.len(), 8);
    let copied =
        async || files(folder.path()).iter().any(|path| path.ends_with("state")).then_some(());
    eventually("the copy is written", LIMIT, copied).await;
    // No farewell: what was written must do.
    first.kill();
    drop(first);
    std::fs::remove_dir_all(folder.path().join("blocks")).ok();
    world.store_proxy().count("GET", "/data/");
    let mut second = searcher(&mut world, folder.path());
    let base = second.ready().await;
    in_memory(&world, &base, 40).await;
    assert_eq!(found(&world, &base, &library).await, expected);
    assert_eq!(world.store_proxy().counted(), 0);
    library.add("b").await;
    in_memory(&world, &base, 80).await;
    assert!(world.store_proxy().counted() > 0);
    drop(second);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_damaged_cut_or_deleted_under_load_change_no_answer() {
    let mut world = World::start().await;
    let mut library = CaptionedLibrary::make(&world, demo_space()).await;
    library.add("a").await;
    let folder = tempfile::tempdir().unwrap();
    let mut process = searcher(&mut world, folder.path());
    let base = process.ready().await;
    in_memory(&world, &base, 40).await;
    let expected = found(&world, &base, &library).await;
    let damages: [fn(&Path); 3] = [
        |path| {
            let length = std::fs::metadata(path).unwrap().len() as usize;
            std::fs::write(path, vec![0x5a; length]).unwrap();
        },
        |path| drop(std::fs::File::create(path).unwrap()),
        |path| std::fs::remove_file(path).unwrap(),
    ];
    for damage in damages {
        for path in files(folder.path()) {
            // Others may be gone by themselves meanwhile.
            if path.exists() {
                damage(&path);
            }
            for _ in 0..5 {
                assert_eq!(found(&world, &base, &library).await, expected, "{}", path.display());
            }
        }
        in_memory(&world, &base, 40).await;
    }
    std::fs::remove_dir_all(folder.path()).unwrap();
    library.add("b").await;
    in_memory(&world, &base, 80).await;
    assert_eq!(found(&world, &base, &library).await.len(), 8);
    assert!(process.ended().is_none());
    drop(process);
    world.finish().await;
}
