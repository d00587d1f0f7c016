//! Wrong settings stop the program with exit code 2 and a sentence that names the key.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

#[test]
fn a_wrong_setting_exits_with_code_2_and_names_the_key() {
    for (name, value, key) in [
        ("BUCKET__NAME", "", "bucket.name"),
        ("SEARCH__MAX_CONCURRENT", "0", "search.max_concurrent"),
        ("SEARCH__FRESHNESS", "soon", "search.freshness"),
        ("ACCESS__LINK_LIFETIME", "30d", "access.link_lifetime"),
        ("ACCESS__APIKEY", "x", "access.apikey"),
        ("HTTP__LISTEN", "8080", "http.listen"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_searcher"))
            .arg("run")
            .env("BUCKETLENS__BUCKET__NAME", "pictures")
            .env(format!("BUCKETLENS__{name}"), value)
            .output()
            .expect("the program runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}={value}: {text}");
        assert!(text.contains(key), "{name}={value} must name {key}: {text}");
    }
}
