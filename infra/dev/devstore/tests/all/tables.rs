//! The purpose of the store: many writers append to one table and no row is lost.

use std::{collections::HashSet, sync::Arc};

use arrow::{
    array::{FixedSizeListArray, Float32Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use futures::TryStreamExt;
use lancedb::{Table, query::ExecutableQuery};
use server::{ACCESS_KEY, BUCKET, SECRET_KEY, TestServer};

use crate::server;

const WRITERS: usize = 8;
const APPENDS: usize = 10;
const ROWS: usize = 256;
const DIMENSION: i32 = 64;

fn schema() -> SchemaRef {
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("vector", DataType::FixedSizeList(item, DIMENSION), false),
    ]))
}

fn batch(writer: usize, append: usize) -> RecordBatch {
    let ids: StringArray = (0..ROWS).map(|row| Some(format!("{writer}-{append}-{row}"))).collect();
    let values: Float32Array = (0..ROWS * DIMENSION as usize).map(|at| (at % 97) as f32).collect();
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let vectors = FixedSizeListArray::new(item, DIMENSION, Arc::new(values), None);
    RecordBatch::try_new(schema(), vec![Arc::new(ids), Arc::new(vectors)]).unwrap()
}

async fn connect(store: &TestServer) -> lancedb::Connection {
    lancedb::connect(&format!("s3://{BUCKET}/tables"))
        .storage_option("aws_access_key_id", ACCESS_KEY)
        .storage_option("aws_secret_access_key", SECRET_KEY)
        .storage_option("aws_region", "us-east-1")
        .storage_option("aws_endpoint", store.server.endpoint())
        .storage_option("allow_http", "true")
        .execute()
        .await
        .unwrap()
}

async fn open(store: &TestServer) -> Table {
    connect(store).await.open_table("rows").execute().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_appends_lose_nothing() {
    let store = server::start().await;
    connect(&store).await.create_empty_table("rows", schema()).execute().await.unwrap();
    let writers = (0..WRITERS).map(|writer| {
        let store = &store;
        async move {
            let table = open(store).await;
            for append in 0..APPENDS {
                table.add(batch(writer, append)).execute().await.unwrap();
            }
        }
    });
    futures::future::join_all(writers).await;

    let stored: Vec<RecordBatch> =
        open(&store).await.query().execute().await.unwrap().try_collect().await.unwrap();
    let mut ids = HashSet::new();
    let mut rows = 0;
    for batch in &stored {
        let column =
            batch.column_by_name("id").unwrap().as_any().downcast_ref::<StringArray>().unwrap();
        ids.extend(column.iter().flatten());
        rows += batch.num_rows();
    }
    assert_eq!((rows, ids.len()), (WRITERS * APPENDS * ROWS, WRITERS * APPENDS * ROWS));
}
