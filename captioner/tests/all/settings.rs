//! Wrong settings stop the program with exit code 2 and a sentence that names the key.

#[test]
fn a_wrong_setting_exits_with_code_2_and_names_the_key() {
    testkit::refuses_settings(
        env!("CARGO_BIN_EXE_captioner"),
        &[
            ("CAPTIONS__MODEL", "", "captions.model"),
            ("CAPTIONS__ID", "Not an id", "captions.id"),
            ("CAPTIONS__LANGUAGES", "", "captions.languages"),
            ("CAPTIONS__LANGUAGES", "en,zh,en", "captions.languages"),
            ("CAPTIONS__PROVIDER", "nobody", "captions.provider"),
            ("CAPTIONS__TEXT_MODEL", "", "captions.text_model"),
            ("CAPTIONS__MAX_BATCH", "1025", "captions.max_batch"),
            ("KEYWORDS__MOST", "0", "keywords.most"),
            ("KEYWORDS__UNDERSTOOD", "en,fr", "keywords.understood"),
            ("CAPTIONS__PROVIDER", "openai", "openai.model"),
            ("BATCH__MAX_ROWS", "0", "batch.max_rows"),
            ("FETCH__CONCURRENCY", "0", "fetch.concurrency"),
            ("BUCKET__NAME", "", "bucket.name"),
        ],
    );
}

#[test]
fn the_settings_command_prints_what_the_program_starts_with() {
    testkit::prints_settings(
        env!("CARGO_BIN_EXE_captioner"),
        &["[bucket]", "[amqp]", "text_model", "[openai]"],
    );
}

#[test]
fn it_tells_shells_and_man_about_itself() {
    testkit::prints_paper(env!("CARGO_BIN_EXE_captioner"), "captioner");
}
