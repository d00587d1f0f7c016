//! The tables: whether they exist with the right columns and not too many fragments.

use pipeline::bucket::BucketSettings;
use pipeline::stage_name::StageName;
use table::inspect::{self, TableColumns, TableInspection};
use table::location::Access;
use table::schema::images_schema;
use table::{Database, TableError, images};

use super::report::{DoctorCheck, DoctorReport};
use crate::parts::location;
use crate::settings::Settings;
use crate::watch::watched_table::{columns_of, table_of};

// Every read opens every fragment.
const MANY_FRAGMENTS: usize = 1000;
const MANY_VERSIONS: usize = 10_000;

pub(crate) async fn run(settings: &Settings) -> DoctorReport {
    let mut report = DoctorReport::default();
    let database = match open(&settings.bucket).await {
        Ok(database) => database,
        Err(error) => {
            report.push(DoctorCheck::fail("table.database", error.to_string(), "check [bucket]"));
            return report;
        }
    };
    let stages = settings.stages.all();
    let tables = stages.iter().map(|stage| (table_of(stage), columns_of(stage), made_by(stage)));
    let columns: TableColumns = |_| images_schema();
    let images = (images::NAME.to_owned(), columns, "the first embedder makes it".to_owned());
    for (name, columns, missing) in std::iter::once(images).chain(tables) {
        report.push(match inspect::look(&database, &name, columns).await {
            Ok(Some(look)) => looked(&name, &look),
            Ok(None) => DoctorCheck::warn(format!("table.{name}"), "does not exist yet", missing),
            Err(error) => DoctorCheck::fail(
                format!("table.{name}"),
                error.to_string(),
                "restore the folder of the table, or move it away: it is made again from the \
                 pictures",
            ),
        });
    }
    report
}

fn made_by(stage: &StageName) -> String {
    let kind = stage.kind();
    format!(
        "the first {} makes it; check {} if one runs already",
        kind.worker_of(stage.id()),
        kind.ingest_setting()
    )
}

async fn open(settings: &BucketSettings) -> Result<Database, TableError> {
    location(settings).connect(Access::writer()).await
}

fn looked(name: &str, look: &TableInspection) -> DoctorCheck {
    let TableInspection { rows, version, versions, fragments, .. } = look;
    let seen = format!(
        "{rows} rows in {fragments} fragments, version {version}, {versions} versions kept"
    );
    let name = format!("table.{name}");
    if let Some(problem) = &look.problem {
        return DoctorCheck::fail(
            name,
            format!("{seen}; {problem}"),
            "move the table away, or run the release that made it",
        );
    }
    if *fragments > MANY_FRAGMENTS || *versions > MANY_VERSIONS {
        return DoctorCheck::warn(
            name,
            seen,
            "run `ingest maintain --once`: many fragments slow every search, many versions fill \
             the bucket",
        );
    }
    DoctorCheck::ok(name, seen)
}
