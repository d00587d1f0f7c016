//! How the programs answer to wrong settings.

use std::process::Command;

/// Starts `program run` once per case of (variable without its prefix, value, key) and checks that it ends with exit code 2
/// and a sentence that names the key.
pub fn refuses_settings(program: &str, cases: &[(&str, &str, &str)]) {
    for (name, value, key) in cases {
        let mut command = Command::new(program);
        command.arg("run").env("BUCKETLENS__BUCKET__NAME", "pictures").env(format!("BUCKETLENS__{name}"), value);
        let output = command.output().expect("the program runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}={value}: {text}");
        assert!(text.contains(key), "{name}={value} must name {key}: {text}");
    }
}

/// Checks that `program settings` prints these.
pub fn prints_settings(program: &str, expected: &[&str]) {
    let output = Command::new(program).arg("settings").output().expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success());
    for part in expected {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}
