//! Checks of a program's command line and of its answer to wrong settings.

use std::process::Command;

/// Starts `program run` for each case (variable without its prefix, value, key) and expects exit
/// code 2 and a sentence that names the key.
pub fn refuses_settings(program: &str, cases: &[(&str, &str, &str)]) {
    for (name, value, key) in cases {
        let mut command = Command::new(program);
        command
            .arg("run")
            .env("BUCKETLENS__BUCKET__NAME", "pictures")
            .env(format!("BUCKETLENS__{name}"), value);
        let output = command.output().expect("the program runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}={value}: {text}");
        assert!(text.contains(key), "{name}={value} must name {key}: {text}");
    }
}

/// Checks that `program settings` prints these texts.
pub fn prints_settings(program: &str, expected: &[&str]) {
    let output = Command::new(program).arg("settings").output().expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success());
    for part in expected {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

/// Checks that a program prints its version and shell completions, and writes manual pages.
pub fn prints_paper(program: &str, name: &str) {
    let run = |arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().expect("the program runs");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    assert!(run(&["--version"]).starts_with(&format!("{name} 0.")));
    assert!(run(&["completions", "bash"]).contains(&format!("_{name}()")));
    let folder = tempfile::tempdir().expect("a folder");
    run(&["man", folder.path().to_str().expect("a path")]);
    let page = std::fs::read_to_string(folder.path().join(format!("{name}-run.1")))
        .expect("a manual page");
    assert!(page.contains(".TH"), "{page}");
}
