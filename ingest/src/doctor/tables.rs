//! The tables: there, with the right columns, and not in too many pieces.

use pipeline::bucket::BucketSettings;
use table::inspect::{self, Look};
use table::location::{Access, Location};
use table::{Database, TableError, embeddings, images};

use super::{Check, Report};
use crate::Settings;

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
    let models = settings.stages.models.iter().map(|model| (embeddings::name(model), model.as_str()));
    for (name, model) in std::iter::once((images::NAME.to_owned(), "")).chain(models) {
        let missing = if model.is_empty() {
            "the first embedder makes it".to_owned()
        } else {
            format!("the first embedder whose models.serve names '{model}' makes it; check stages.models if one runs already")
        };
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

async fn open(settings: &BucketSettings) -> Result<Database, TableError> {
    let location = Location { uri: settings.tables_uri(), options: settings.storage_options() };
    location.connect(Access::writer()).await
}

fn looked(name: &str, look: &Look) -> Check {
    let Look { rows, version, versions, fragments, .. } = look;
    let seen = format!("{rows} rows in {fragments} fragments, version {version}, {versions} versions kept");
    let name = format!("table.{name}");
    if let Some(problem) = &look.problem {
        return Check::fail(name, format!("{seen}; {problem}"), "move the table away, or run the release that made it");
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
