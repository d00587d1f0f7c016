//! Wrong settings stop the program with exit code 2 and a sentence that names the key.

#[test]
fn a_wrong_setting_exits_with_code_2_and_names_the_key() {
    testkit::refuses_settings(
        env!("CARGO_BIN_EXE_embedder"),
        &[
            ("MODELS__MAX_BATCH", "1025", "models.max_batch"),
            ("MODELS__SERVE", "", "models.serve"),
            ("MODELS__SERVE", "a,b,a", "models.serve"),
            ("BATCH__MAX_ROWS", "0", "batch.max_rows"),
            ("BATCH__MAX_WAIT", "1h", "batch.max_wait"),
            ("FETCH__CONCURRENCY", "0", "fetch.concurrency"),
            ("PICTURE__THUMBNAIL_SIDE", "5", "picture.thumbnail_side"),
            ("BUCKET__NAME", "", "bucket.name"),
        ],
    );
}

#[test]
fn the_settings_command_prints_what_the_program_starts_with() {
    testkit::prints_settings(
        env!("CARGO_BIN_EXE_embedder"),
        &["[bucket]", "[amqp]", "thumbnail_side"],
    );
}

#[test]
fn it_tells_shells_and_man_about_itself() {
    testkit::prints_paper(env!("CARGO_BIN_EXE_embedder"), "embedder");
}
