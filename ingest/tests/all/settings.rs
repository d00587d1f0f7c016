//! Wrong settings stop the program with exit code 2 and a sentence that names the key.

#[test]
fn a_wrong_setting_exits_with_code_2_and_names_the_key() {
    testkit::refuses_settings(
        env!("CARGO_BIN_EXE_ingest"),
        &[
            ("WATCH__POLL_INTERVAL", "2", "watch.poll_interval"),
            ("WATCH__MAX_DELETE_SHARE", "1.5", "watch.max_delete_share"),
            ("FILTER__INCLUDE", "a[", "filter.include"),
            ("STAGES__MODELS", "../x", "stages.models"),
            ("BUCKET__NAME", "", "bucket.name"),
            ("BUCKET__ENDPOINT", "ftp://store", "bucket.endpoint"),
            ("AMQP__URL", "http://broker", "amqp.url"),
            ("AMQP__PREFETCH", "0", "amqp.prefetch"),
            ("AMQP__PREFETCH", "lots", "amqp.prefetch"),
            ("AMQP__TOPOLOGY", "guess", "amqp.topology"),
            ("AMQP__ULR", "amqp://broker", "amqp.ulr"),
            ("LOG__FILTER", "in=fo=x", "log.filter"),
            ("HTTP__LISTEN", "here", "http.listen"),
            ("EVENTS__LISTEN", "maybe", "events.listen"),
            ("EVENTS__QUEUE", "2", "events.queue"),
            ("EVENTS__SOURCE", "gcs", "events.source"),
            ("OPS__KEY", "sesame", "ops.key"),
            ("OPS__ADDRESS", "here", "ops.address"),
            ("BACKPRESSURE__LOW", "300000", "backpressure.low"),
            ("MAINTAIN__KEEP_VERSIONS", "5m", "maintain.keep_versions"),
            ("MAINTAIN__INTERVAL", "0s", "maintain.interval"),
        ],
    );
}

#[test]
fn the_settings_command_prints_what_the_program_starts_with() {
    testkit::prints_settings(
        env!("CARGO_BIN_EXE_ingest"),
        &["[bucket]", "[amqp]", "poll_interval"],
    );
}

#[test]
fn it_tells_shells_and_man_about_itself() {
    testkit::prints_paper(env!("CARGO_BIN_EXE_ingest"), "ingest");
}
