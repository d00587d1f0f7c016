//! Wrong settings stop the program with exit code 2 and a sentence that names the key.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

fn run(program: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(program);
    command.arg("run").env("BUCKETLENS__BUCKET__NAME", "pictures");
    for (name, value) in variables {
        command.env(format!("BUCKETLENS__{name}"), value);
    }
    command.output().expect("the program runs")
}

#[test]
fn a_wrong_setting_exits_with_code_2_and_names_the_key() {
    for (name, value, key) in [
        ("BUCKET__NAME", "", "bucket.name"),
        ("BUCKET__ENDPOINT", "ftp://store", "bucket.endpoint"),
        ("AMQP__URL", "http://broker", "amqp.url"),
        ("AMQP__PREFETCH", "0", "amqp.prefetch"),
        ("AMQP__PREFETCH", "lots", "amqp.prefetch"),
        ("AMQP__TOPOLOGY", "guess", "amqp.topology"),
        ("AMQP__ULR", "amqp://broker", "amqp.ulr"),
        ("WATCH__POLL_INTERVAL", "2", "watch.poll_interval"),
        ("WATCH__MAX_DELETE_SHARE", "1.5", "watch.max_delete_share"),
        ("FILTER__INCLUDE", "a[", "filter.include"),
        ("STAGES__MODELS", "../x", "stages.models"),
        ("LOG__FILTER", "in=fo=x", "log.filter"),
        ("HTTP__LISTEN", "here", "http.listen"),
    ] {
        let output = run(env!("CARGO_BIN_EXE_ingest"), &[(name, value)]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}={value}: {text}");
        assert!(text.contains(key), "{name}={value} must name {key}: {text}");
    }
}

#[test]
fn the_settings_command_prints_what_the_program_starts_with() {
    let output = Command::new(env!("CARGO_BIN_EXE_ingest")).arg("settings").output().expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success() && text.contains("[bucket]") && text.contains("poll_interval"), "{text}");
}
