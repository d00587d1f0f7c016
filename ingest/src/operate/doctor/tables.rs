//! The tables: there, with the right columns, and not in too many pieces.

use pipeline::bucket::BucketSettings;
use pipeline::stage_kind::StageKind;
use pipeline::stage_name::StageName;
use table::inspect::{self, TableInspection};
use table::location::{Access, Location};
use table::{Database, TableError, images};

use super::{Check, Report};
use crate::served::table_of;
use crate::{Settings, control};

// Every read opens every fragment.
const MANY_FRAGMENTS: usize = 1000;
const MANY_VERSIONS: usize = 10_000;

pub(crate) async fn run(settings: &Settings) -> Report {
    let mut report = Report::default();
    let database = match open(&settings.bucket).await {
        Ok(database) => database,
        Err(error) => {
            report.push(Check::fail("table.database", error.to_string(), "check [bucket]"));
            return report;
        }
    };
    let stages = control::stages(settings);
    let tables = stages.iter().map(|stage| (table_of(stage), made_by(stage)));
    let images = (images::NAME.to_owned(), "the first embedder makes it".to_owned());
    for (name, missing) in std::iter::once(images).chain(tables) {
        report.push(match inspect::look(&database, &name).await {
            Ok(Some(look)) => looked(&name, &look),
            Ok(None) => Check::warn(format!("table.{name}"), "does not exist yet", missing),
            Err(error) => Check::fail(
                format!("table.{name}"),
                error.to_string(),
                "restore the folder of the table, or move it away: it is made again from the pictures",
            ),
        });
    }
    report
}

fn made_by(stage: &StageName) -> String {
    let id = stage.id();
    match stage.kind() {
        StageKind::Embed => {
            format!(
                "the first embedder whose models.serve names '{id}' makes it; check stages.models if one runs already"
            )
        }
        StageKind::Caption => {
            format!(
                "the first captioner whose captions.id is '{id}' makes it; check stages.captioners if one runs already"
            )
        }
    }
}

async fn open(settings: &BucketSettings) -> Result<Database, TableError> {
    let location = Location { uri: settings.tables_uri(), options: settings.storage_options() };
    location.connect(Access::writer()).await
}

fn looked(name: &str, look: &TableInspection) -> Check {
    let TableInspection { rows, version, versions, fragments, .. } = look;
    let seen = format!(
        "{rows} rows in {fragments} fragments, version {version}, {versions} versions kept"
    );
    let name = format!("table.{name}");
    if let Some(problem) = &look.problem {
        return Check::fail(
            name,
            format!("{seen}; {problem}"),
            "move the table away, or run the release that made it",
        );
    }
    if *fragments > MANY_FRAGMENTS || *versions > MANY_VERSIONS {
        return Check::warn(
            name,
            seen,
            "run `ingest maintain --once`: many fragments slow every search, many versions fill the bucket",
        );
    }
    Check::ok(name, seen)
}
