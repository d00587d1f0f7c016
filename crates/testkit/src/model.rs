//! Further models for tests: copies of the demo model with another manifest.

use std::path::Path;
use std::process::Command;

/// Copies the demo model to a folder that does not exist yet and replaces these texts of its
/// manifest. The folder appears at once and whole.
pub fn copy_demo_model(to: &Path, changes: &[(&str, &str)]) {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../inference/models/demo-clip");
    let mut manifest = std::fs::read_to_string(demo.join("model.toml")).expect("the demo model");
    for (before, after) in changes {
        assert!(manifest.contains(before), "the manifest does not contain {before}");
        manifest = manifest.replace(before, after);
    }
    let draft = to.with_extension("draft");
    assert!(
        Command::new("cp").arg("-r").arg(&demo).arg(&draft).status().expect("cp runs").success()
    );
    std::fs::write(draft.join("model.toml"), manifest).expect("the manifest is written");
    std::fs::rename(draft, to).expect("the folder gets its name");
}
