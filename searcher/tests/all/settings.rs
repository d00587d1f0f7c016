//! Wrong settings stop the program with exit code 2 and a sentence that names the key.

#[test]
fn a_wrong_setting_exits_with_code_2_and_names_the_key() {
    testkit::refuses_settings(
        env!("CARGO_BIN_EXE_searcher"),
        &[
            ("SEARCH__MAX_CONCURRENT", "0", "search.max_concurrent"),
            ("SEARCH__FRESHNESS", "soon", "search.freshness"),
            ("ACCESS__LINK_LIFETIME", "30d", "access.link_lifetime"),
            ("UPLOAD__PREFIX", "uploads", "upload.prefix"),
            ("UPLOAD__PREFIX", ".bucketlens/", "upload.prefix"),
            ("UPLOAD__MAX_BYTES", "1", "upload.max_bytes"),
            ("OPERATIONS__URL", "ingest:8081", "operations.url"),
            ("HTTP__HOSTS", "pictures.example.org/search", "http.hosts"),
            ("SEARCH__MAX_PIXELS", "0", "search.max_pixels"),
            ("SEARCH__DECODE_TIMEOUT", "31s", "search.decode_timeout"),
            ("CAPTIONS__REQUESTS_PER_MINUTE", "0", "captions.requests_per_minute"),
            ("ACCESS__APIKEY", "x", "access.apikey"),
            ("BUCKET__NAME", "", "bucket.name"),
        ],
    );
}

#[test]
fn the_settings_command_prints_what_the_program_starts_with() {
    testkit::prints_settings(
        env!("CARGO_BIN_EXE_searcher"),
        &["[bucket]", "[amqp]", "link_lifetime"],
    );
}

#[test]
fn it_tells_shells_and_man_about_itself() {
    testkit::prints_paper(env!("CARGO_BIN_EXE_searcher"), "searcher");
}
