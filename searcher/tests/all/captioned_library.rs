//! A library with pictures and captions that a test fills itself.

use table::captions::{CaptionRow, CaptionText, Captions};
use table::embeddings::Embeddings;
use table::location::Access;
use table::maintain::{MaintenancePlan, compact, remove_spares};
use table::schema::{EmbeddingRow, Facts, Space};
use testkit::World;

use crate::vectors::{Numbers, demo_space};

const COLOURS: [(&str, &str); 4] =
    [("red", "红色"), ("green", "绿色"), ("blue", "蓝色"), ("white", "白色")];
const THINGS: [(&str, &str); 5] =
    [("car", "汽车"), ("cat", "猫"), ("boat", "船"), ("tree", "树"), ("house", "房子")];
const TIMES: [(&str, &str); 2] = [("at night", "夜晚"), ("in the daytime", "白天")];

/// Forty pictures: every colour, thing and time, each thing in a direction of its own.
pub(crate) struct CaptionedLibrary {
    pub(crate) numbers: Numbers,
    things: Vec<Vec<f32>>,
    embeddings: Embeddings,
    captions: Captions,
}

impl CaptionedLibrary {
    pub(crate) async fn make(world: &World, captions_of: Space) -> Self {
        let database = world.tables().connect(Access::writer()).await.unwrap();
        let embeddings = Embeddings::open_or_create(&database, demo_space()).await.unwrap();
        let captions =
            Captions::open_or_create(&database, "demo-captioner", captions_of).await.unwrap();
        let mut numbers = Numbers(7);
        let things = THINGS.iter().map(|_| numbers.direction()).collect();
        Self { numbers, things, embeddings, captions }
    }

    /// Adds a copy of every picture to an album of this name.
    pub(crate) async fn add(&mut self, album: &str) {
        let (mut pictures, mut said) = (Vec::new(), Vec::new());
        for (place, (thing, thing_zh)) in THINGS.iter().enumerate() {
            for (colour, colour_zh) in COLOURS {
                for (time, time_zh) in TIMES {
                    let number = pictures.len();
                    let facts = facts(&format!("{album}/{number:02}-{thing}.jpg"), number);
                    let vector = self.numbers.near(&self.things[place], 0.05);
                    let words = CaptionText {
                        caption: format!("a {colour} {thing} {time}"),
                        language: "en".into(),
                        others: vec![("zh".into(), format!("{time_zh}的{colour_zh}{thing_zh}"))],
                        keywords: vec![(*thing).into(), (*thing_zh).into()],
                        provider: "onnx:demo-captioner".into(),
                        prompt_hash: "1".into(),
                    };
                    let caption_vector = self.numbers.near(&vector, 0.05);
                    said.push(CaptionRow {
                        facts: facts.clone(),
                        said: words,
                        vector: caption_vector,
                    });
                    pictures.push(EmbeddingRow { facts, vector });
                }
            }
        }
        self.embeddings.append(&pictures, album).await.unwrap();
        self.captions.append(&said, album).await.unwrap();
    }

    /// Adds pictures without captions, some of which have no date, no place or another format.
    pub(crate) async fn add_uncaptioned(&mut self, album: &str) {
        let mut pictures = Vec::new();
        for number in 0..12 {
            let mut facts = facts(&format!("{album}/white-car_{number}.png"), number);
            facts.format = "png".into();
            facts.size_bytes = 900 + 20 * number as u64;
            if number.is_multiple_of(3) {
                (facts.latitude, facts.longitude) = (None, None);
            }
            // Three of them have the same bytes.
            facts.content_hash = format!("content-{}", number.max(2));
            pictures.push(EmbeddingRow { facts, vector: self.numbers.direction() });
        }
        self.embeddings.append(&pictures, album).await.unwrap();
    }

    /// Writes half of the pictures of an album again, with other content and without captions.
    pub(crate) async fn overwrite(&mut self, album: &str) {
        let mut pictures = Vec::new();
        for (place, (thing, _)) in THINGS.iter().enumerate() {
            for number in (place * 8..place * 8 + 8).step_by(2) {
                let key = format!("{album}/{number:02}-{thing}.jpg");
                let mut facts = facts(&key, number);
                facts.etag = "2".into();
                facts.image_id =
                    pipeline::ImageId::of(&facts.bucket, &key, &facts.etag).to_string();
                facts.content_hash = facts.image_id.clone();
                facts.last_modified = jiff::Timestamp::from_second(2000).ok();
                pictures.push(EmbeddingRow { facts, vector: self.numbers.direction() });
            }
        }
        self.embeddings.append(&pictures, "again").await.unwrap();
    }

    /// Writes the captions of an album's first eight pictures again, with this word in them.
    pub(crate) async fn caption_again(&mut self, album: &str, word: &str) {
        let rows = (0..8).map(|number| CaptionRow {
            facts: facts(&format!("{album}/{number:02}-{}.jpg", THINGS[0].0), number),
            said: CaptionText {
                caption: format!("a {word}"),
                language: "en".into(),
                keywords: vec![word.into()],
                provider: "onnx:demo-captioner".into(),
                prompt_hash: "2".into(),
                ..CaptionText::default()
            },
            vector: self.numbers.direction(),
        });
        let rows: Vec<_> = rows.collect();
        self.captions.append(&rows, "again").await.unwrap();
    }

    /// Removes every so-manieth picture of an album, and its caption.
    pub(crate) async fn remove(&mut self, album: &str, step: usize) {
        let mut ids = Vec::new();
        for (place, (thing, _)) in THINGS.iter().enumerate() {
            for number in (place * 8..place * 8 + 8).step_by(step) {
                ids.push(facts(&format!("{album}/{number:02}-{thing}.jpg"), number).image_id);
            }
        }
        self.embeddings.ledger().delete(&ids).await.unwrap();
        self.captions.ledger().delete(&ids).await.unwrap();
    }

    /// Removes spare rows and moves the others to new fragments.
    pub(crate) async fn maintain(&mut self) {
        let plan = MaintenancePlan { target_rows_per_fragment: 50, ..MaintenancePlan::default() };
        for ledger in [self.embeddings.ledger(), self.captions.ledger()] {
            remove_spares(ledger).await.unwrap();
            compact(ledger, &plan).await.unwrap();
        }
    }

    /// The newest versions of the tables of vectors and captions.
    pub(crate) async fn versions(&self) -> (u64, u64) {
        let embeddings = self.embeddings.ledger().newest_layout().await.unwrap().1.version;
        (embeddings, self.captions.ledger().newest_layout().await.unwrap().1.version)
    }

    /// The query vector of this thing.
    pub(crate) fn example(&self, thing: &str) -> Vec<f32> {
        self.things[THINGS.iter().position(|(name, _)| *name == thing).unwrap()].clone()
    }
}

fn facts(key: &str, number: usize) -> Facts {
    let (bucket, etag) = (String::from("pictures"), String::from("1"));
    let image_id = pipeline::ImageId::of(&bucket, key, &etag).to_string();
    let moment = |seconds: usize| jiff::Timestamp::from_second(seconds as i64).ok();
    Facts {
        content_hash: image_id.clone(),
        image_id,
        bucket,
        key: key.into(),
        etag,
        size_bytes: 1000,
        last_modified: moment(1000),
        format: "jpeg".into(),
        width: if number.is_multiple_of(2) { 400 } else { 300 },
        height: 300,
        orientation: 1,
        taken_at: if number.is_multiple_of(4) { None } else { moment(1_000_000 + number) },
        taken_offset_minutes: None,
        camera: None,
        latitude: Some(number as f64),
        longitude: Some(if number.is_multiple_of(2) { 179.0 } else { -179.0 }),
        phash: 0,
    }
}
