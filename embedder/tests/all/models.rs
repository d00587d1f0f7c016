//! `embedder models`: the real program against a hub on this machine that fails in the ways of real
//! hubs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hub::{Fault, Hub, VISION};

use crate::hub;

struct Desk {
    folder: tempfile::TempDir,
    entry: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let entry = folder.path().join("entry.toml");
        fs::write(&entry, hub::entry()).unwrap();
        Self { folder, entry }
    }

    fn models(&self) -> PathBuf {
        self.folder.path().join("models")
    }

    fn command(&self, endpoint: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_embedder"));
        command.arg("models").args(arguments).env("HF_ENDPOINT", endpoint).env_remove("HF_TOKEN");
        command.env("BUCKETLENS__MODELS__FOLDER", self.models()).current_dir(self.folder.path());
        command.output().unwrap()
    }

    fn pull(&self, endpoint: &str) -> Output {
        self.command(endpoint, &["pull", "scenes", "--catalogue", self.entry.to_str().unwrap()])
    }
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn same(ours: &Path, theirs: &str) {
    assert!(
        fs::read(ours).unwrap() == hub::content(theirs),
        "{} is not what the hub has",
        ours.display()
    );
}

#[test]
fn a_model_is_fetched_once_and_needs_no_network_afterwards() {
    let (hub, desk) = (Hub::start(), Desk::new());
    let pulled = desk.pull(&hub.endpoint());
    assert!(pulled.status.success(), "{}", said(&pulled));
    assert!(
        said(&pulled).contains("licence: Apache-2.0")
            && said(&pulled).contains("shown to whoever asks"),
        "{}",
        said(&pulled)
    );
    for file in hub::FILES {
        same(&desk.models().join("scenes").join(file), file);
    }
    let manifest = fs::read_to_string(desk.models().join("scenes/model.toml")).unwrap();
    assert!(
        manifest.contains(hub::COMMIT),
        "the manifest names the commit, not the branch: {manifest}"
    );
    let requests = hub.requests();
    hub.stop();

    let nowhere = "http://127.0.0.1:9";
    let again = desk.pull(nowhere);
    assert!(
        again.status.success() && said(&again).contains("is there and whole"),
        "{}",
        said(&again)
    );
    let verified = desk.command(nowhere, &["verify", "scenes"]);
    assert!(
        verified.status.success() && said(&verified).contains("it loads and runs"),
        "{}",
        said(&verified)
    );
    let listed = desk.command(nowhere, &["list"]);
    assert!(
        said(&listed).contains("scenes") && said(&listed).contains("clip-vit-base-patch32"),
        "{}",
        said(&listed)
    );
    let shown = desk.command(nowhere, &["show", "scenes"]);
    assert!(
        said(&shown).contains("\"licence\": \"Apache-2.0\"")
            && said(&shown).contains("manifest_hash"),
        "{}",
        said(&shown)
    );
    assert_eq!(
        requests,
        hub::FILES.len() + 2,
        "one request per file, one for the commit, one for the list"
    );

    fs::write(desk.models().join("scenes").join(VISION), b"damaged").unwrap();
    let damaged = desk.command(nowhere, &["verify", "scenes"]);
    assert!(!damaged.status.success() && said(&damaged).contains(VISION), "{}", said(&damaged));
}

#[test]
fn busy_servers_and_broken_connections_are_outlasted() {
    let (hub, desk) = (Hub::start(), Desk::new());
    hub.plan(&[
        Fault::Busy,
        Fault::CutAfter(100_000),
        Fault::Fail,
        Fault::CutAfter(1),
        Fault::CutAfter(700_000),
    ]);
    let pulled = desk.pull(&hub.endpoint());
    assert!(pulled.status.success(), "{}", said(&pulled));
    same(&desk.models().join("scenes").join(VISION), VISION);
    let ranges = hub.ranges();
    assert_eq!(
        ranges,
        [0, 0, 100_000, 100_000, 100_001, 800_001],
        "each connection went on where the last had ended"
    );
}

#[test]
fn a_server_without_ranges_begins_again() {
    let (hub, desk) = (Hub::start(), Desk::new());
    hub.plan(&[Fault::CutAfter(50_000), Fault::WholeInstead]);
    let pulled = desk.pull(&hub.endpoint());
    assert!(pulled.status.success(), "{}", said(&pulled));
    same(&desk.models().join("scenes").join(VISION), VISION);
}

#[test]
fn what_was_begun_is_gone_on_with_by_the_next_command() {
    let (hub, desk) = (Hub::start(), Desk::new());
    hub.plan(&[Fault::CutAfter(400_000); 1]);
    hub.plan(&[Fault::Fail; 64]);
    let broken = desk.pull(&hub.endpoint());
    assert!(!broken.status.success() && said(&broken).contains("503"), "{}", said(&broken));
    assert!(
        !desk.models().join("scenes").exists(),
        "a model that is not whole must not have its name"
    );
    hub.forget_plan();
    let pulled = desk.pull(&hub.endpoint());
    assert!(pulled.status.success(), "{}", said(&pulled));
    assert_eq!(hub.ranges().last(), Some(&400_000));
    same(&desk.models().join("scenes").join(VISION), VISION);
}

#[test]
fn wrong_content_is_fetched_again_and_then_refused() {
    let (hub, desk) = (Hub::start(), Desk::new());
    hub.plan(&[Fault::Wrong]);
    let pulled = desk.pull(&hub.endpoint());
    assert!(pulled.status.success(), "once wrong may be a broken cache: {}", said(&pulled));

    let desk = Desk::new();
    hub.plan(&[Fault::Wrong, Fault::Wrong]);
    let refused = desk.pull(&hub.endpoint());
    assert!(
        !refused.status.success() && said(&refused).contains("wrong checksum"),
        "{}",
        said(&refused)
    );
    assert!(!desk.models().join("scenes").exists());

    hub.plan(&[Fault::TooLong]);
    let refused = Desk::new().pull(&hub.endpoint());
    assert!(
        !refused.status.success() && said(&refused).contains("more than the"),
        "{}",
        said(&refused)
    );
}

#[test]
fn a_mirror_stands_in() {
    let (hub, desk) = (Hub::start(), Desk::new());
    let pulled = desk.pull(&format!("http://127.0.0.1:9, {}", hub.endpoint()));
    assert!(pulled.status.success(), "{}", said(&pulled));
}

#[test]
fn what_cannot_be_done_is_said_with_what_to_do() {
    let (hub, desk) = (Hub::start(), Desk::new());
    let offline = desk.pull("http://127.0.0.1:9");
    assert!(
        !offline.status.success() && said(&offline).contains("127.0.0.1:9 cannot be reached"),
        "{}",
        said(&offline)
    );
    assert!(said(&offline).contains("HF_ENDPOINT"), "{}", said(&offline));

    hub.gate(true);
    let gated = desk.pull(&hub.endpoint());
    assert!(!gated.status.success() && said(&gated).contains("HF_TOKEN"), "{}", said(&gated));
    hub.gate(false);

    hub.without("tokenizer.json");
    let missing = desk.pull(&hub.endpoint());
    assert!(
        !missing.status.success() && said(&missing).contains("has no file tokenizer.json"),
        "{}",
        said(&missing)
    );
    hub.without("");

    let unknown = desk.command(&hub.endpoint(), &["pull", "no-such-model"]);
    assert!(
        !unknown.status.success() && said(&unknown).contains("siglip2-base-patch16-224"),
        "{}",
        said(&unknown)
    );
    let bad = desk.pull("not an address");
    assert!(
        !bad.status.success() && said(&bad).contains("no http or https address"),
        "{}",
        said(&bad)
    );

    // A device that is always full takes the place of the file that is written.
    let staging = desk.models().join(".scenes.part").join(VISION);
    fs::create_dir_all(staging.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/dev/full", format!("{}.part", staging.display())).unwrap();
    let full = desk.pull(&hub.endpoint());
    assert!(!full.status.success() && said(&full).contains("the disk is full"), "{}", said(&full));
}

/// The configuration of the repository decides whether the entry is right.
#[test]
fn an_entry_that_contradicts_its_repository_is_refused_before_the_model_is_fetched() {
    let (hub, desk) = (Hub::start(), Desk::new());
    let unconfirmed = Desk::new().pull(&hub.endpoint());
    assert!(said(&unconfirmed).contains("is not confirmed"), "{}", said(&unconfirmed));
    let begun = hub.ranges().len();

    let right = String::from_utf8(hub::content("preprocessor_config.json")).unwrap();
    let wrong = right.replace("\"resample\": 3", "\"resample\": 2");
    assert_ne!(right, wrong);
    hub.add("preprocessor_config.json", wrong);
    hub.add("tokenizer_config.json", "{\"model_max_length\": 8}");
    let refused = desk.pull(&hub.endpoint());
    assert!(!refused.status.success(), "{}", said(&refused));
    for part in [
        "`[image] filter` is bicubic in the entry and bilinear by preprocessor_config.json",
        "`[text] max_len` is 24 in the entry and 8 by tokenizer_config.json",
        "someone/scenes",
        hub::COMMIT,
        "--catalogue",
    ] {
        assert!(said(&refused).contains(part), "{part}: {}", said(&refused));
    }
    assert_eq!(hub.ranges().len(), begun, "the image tower was asked for");
    assert!(!desk.models().join("scenes").exists());

    hub.add("preprocessor_config.json", " ".repeat((64 << 10) + 1));
    let refused = desk.pull(&hub.endpoint());
    assert!(
        !refused.status.success() && said(&refused).contains("it is no configuration"),
        "{}",
        said(&refused)
    );

    // The same staging folder still holds the wrong files.
    hub.add("preprocessor_config.json", right);
    hub.add("tokenizer_config.json", "{\"model_max_length\": 24}");
    let pulled = desk.pull(&hub.endpoint());
    assert!(pulled.status.success(), "{}", said(&pulled));
    assert!(!said(&pulled).contains("is not confirmed"), "{}", said(&pulled));
    same(&desk.models().join("scenes/preprocessor_config.json"), "preprocessor_config.json");
}

/// A changed entry makes other vectors, so the new model gets another id.
#[test]
fn a_model_of_an_earlier_entry_stays_and_can_be_fetched_beside_under_another_id() {
    let (hub, desk) = (Hub::start(), Desk::new());
    assert!(desk.pull(&hub.endpoint()).status.success());
    let same_entry = desk.pull(&hub.endpoint());
    assert!(!said(&same_entry).contains("another way"), "{}", said(&same_entry));

    let entry = fs::read_to_string(&desk.entry).unwrap();
    fs::write(&desk.entry, entry.replace("\"bicubic\"", "\"bilinear\"")).unwrap();
    let earlier = desk.pull(&hub.endpoint());
    assert!(
        earlier.status.success() && said(&earlier).contains("--as scenes-2"),
        "{}",
        said(&earlier)
    );
    let entry = desk.entry.to_str().unwrap().to_owned();
    let arguments = ["pull", "scenes", "--catalogue", &entry, "--as", "scenes-2"];
    let beside = desk.command(&hub.endpoint(), &arguments);
    assert!(beside.status.success(), "{}", said(&beside));
    let manifest = fs::read_to_string(desk.models().join("scenes-2/model.toml")).unwrap();
    assert!(manifest.contains("space = \"scenes-2\""), "{manifest}");
    let arguments = ["pull", "scenes", "--catalogue", &entry, "--as", "../scenes"];
    let refused = desk.command(&hub.endpoint(), &arguments);
    assert!(!refused.status.success(), "{}", said(&refused));
}

/// The start of a program trusts the stamps of verified files. `verify` does not.
#[test]
fn verify_hashes_every_file() {
    let (hub, desk) = (Hub::start(), Desk::new());
    assert!(desk.pull(&hub.endpoint()).status.success());
    let path = desk.models().join("scenes").join(VISION);
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(60)).unwrap();
    drop(file);
    let nowhere = "http://127.0.0.1:9";
    assert!(desk.command(nowhere, &["verify", "scenes"]).status.success());
    let stamps = desk.models().join("scenes/.verified.json");
    let text = fs::read_to_string(&stamps).unwrap();
    let manifest = fs::read_to_string(desk.models().join("scenes/model.toml")).unwrap();
    let sha256 = manifest.split("sha256 = \"").nth(1).unwrap().split('"').next().unwrap();
    assert!(text.contains(sha256), "{text}");

    // A manifest and a stamp that agree, about a file with another content.
    let other = "0".repeat(64);
    fs::write(desk.models().join("scenes/model.toml"), manifest.replace(sha256, &other)).unwrap();
    fs::write(&stamps, text.replace(sha256, &other)).unwrap();
    let shown = desk.command(nowhere, &["show", "scenes"]);
    assert!(shown.status.success(), "the stamp was not used: {}", said(&shown));
    let damaged = desk.command(nowhere, &["verify", "scenes"]);
    assert!(!damaged.status.success() && said(&damaged).contains(VISION), "{}", said(&damaged));
}

#[test]
fn two_fetches_of_one_model_do_not_meet() {
    let (hub, desk) = (Hub::start(), Desk::new());
    fs::create_dir_all(desk.models()).unwrap();
    let held = fs::File::create(desk.models().join(".scenes.lock")).unwrap();
    held.lock().unwrap();
    let refused = desk.pull(&hub.endpoint());
    assert!(
        !refused.status.success() && said(&refused).contains("another process is fetching"),
        "{}",
        said(&refused)
    );
    drop(held);
    assert!(desk.pull(&hub.endpoint()).status.success());
}

#[test]
fn a_folder_of_files_becomes_a_model() {
    let desk = Desk::new();
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/inference/tests/parity/clip");
    let folder = desk.folder.path().join("clip");
    copy(&source, &folder);
    let _ = fs::remove_file(folder.join("model.toml"));
    let path = folder.to_str().unwrap();
    let imported = desk.command("", &["import", path]);
    assert!(imported.status.success(), "{}", said(&imported));
    let verified = desk.command("", &["verify", path]);
    assert!(verified.status.success(), "{}", said(&verified));
    let twice = desk.command("", &["import", path]);
    assert!(!twice.status.success() && said(&twice).contains("--force"), "{}", said(&twice));

    let empty = tempfile::tempdir().unwrap();
    let nothing = desk.command("", &["import", empty.path().to_str().unwrap()]);
    assert!(
        !nothing.status.success() && said(&nothing).contains("cannot be imported"),
        "{}",
        said(&nothing)
    );
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
