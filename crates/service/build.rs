//! The version that `--version` prints, with the commit: from `BUCKETLENS_COMMIT`, or from git in a
//! release build. Other builds do not ask git, because then every commit would rebuild everything.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=BUCKETLENS_COMMIT");
    let version = env!("CARGO_PKG_VERSION");
    let given = std::env::var("BUCKETLENS_COMMIT").ok().filter(|commit| !commit.is_empty());
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = given.or_else(|| is_release.then(from_git).flatten());
    let version =
        commit.map_or_else(|| version.to_owned(), |commit| format!("{version} ({commit})"));
    println!("cargo::rustc-env=BUCKETLENS_VERSION={version}");
}

fn from_git() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(arguments)
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        let text = String::from_utf8(output.stdout).ok()?;
        Some(text.trim().to_owned())
    };
    println!("cargo::rerun-if-changed={}", git(&["rev-parse", "--git-path", "HEAD"])?);
    if let Some(reference) = git(&["symbolic-ref", "--quiet", "HEAD"]) {
        println!("cargo::rerun-if-changed={}", git(&["rev-parse", "--git-path", &reference])?);
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])
        .is_some_and(|changes| !changes.is_empty());
    Some(if changed { format!("{commit}, changed") } else { commit })
}
