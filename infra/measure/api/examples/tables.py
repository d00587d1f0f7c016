#!/usr/bin/env python3
"""Reads the tables with LanceDB, without any of bucketlens' processes.

    pip install lancedb
    export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=...
    BUCKET=pictures S3_ENDPOINT=http://127.0.0.1:9000 python tables.py

Reading is safe at any time. Writing is not: only workers append, only ingest deletes.
"""

import os
import sys
from datetime import UTC, datetime

import lancedb

BUCKET = os.environ.get("BUCKET", "pictures")
PREFIX = os.environ.get("TABLES_PREFIX", ".bucketlens/")
STORE = {
    "endpoint": os.environ.get("S3_ENDPOINT", "http://127.0.0.1:9000"),
    "access_key_id": os.environ.get("AWS_ACCESS_KEY_ID", "bucketlens-dev"),
    "secret_access_key": os.environ.get("AWS_SECRET_ACCESS_KEY", "bucketlens-dev-secret"),
    "region": os.environ.get("AWS_REGION", "us-east-1"),
    "allow_http": "true",
    "virtual_hosted_style_request": "false",
}
LONG_AGO = datetime.fromtimestamp(0, UTC)
IDENTITY = ["image_id", "bucket", "key", "last_modified", "written_at"]


def main():
    database = lancedb.connect(f"s3://{BUCKET}/{PREFIX}tables", storage_options=STORE)
    names = sorted(database.list_tables().tables)
    print("tables:", ", ".join(names))
    for name in names:
        table = database.open_table(name)
        columns = ", ".join(f"{field.name}: {field.type}" for field in table.schema)
        print(f"\n{name}, version {table.version}, {table.count_rows()} rows\n  {columns}")

    pictures = newest(
        database.open_table("images")
        .search()
        .select([*IDENTITY, "width", "height", "format"])
        .limit(None)
        .to_list()
    )
    print(f"\n{len(pictures)} objects; the three written last:")
    for row in sorted(pictures.values(), key=lambda row: row["written_at"], reverse=True)[:3]:
        size = f"{row['width']}x{row['height']}"
        print(f"  {row['written_at']:%F %T}  {size} {row['format']}  {row['key']}")
    if not pictures:
        sys.exit("there are no pictures")

    vectors = next((name for name in names if name.startswith("embeddings_")), None) or sys.exit(
        "there are no vectors"
    )
    captions = next((name for name in names if name.startswith("captions_")), None)
    said = captions_by_id(database.open_table(captions)) if captions else {}
    nearest(database.open_table(vectors), pictures, said)


def newest(rows):
    """One row per object: of its latest version the latest row. An overwritten object has a row per
    version until maintenance removes the old ones; a job delivered twice leaves two equal rows."""
    kept = {}
    for row in sorted(rows, key=lambda row: (row["last_modified"] or LONG_AGO, row["written_at"])):
        kept[row["bucket"], row["key"]] = row
    return kept


def captions_by_id(table):
    rows = table.search().select([*IDENTITY, "caption"]).limit(None).to_list()
    return {row["image_id"]: row["caption"] for row in newest(rows).values()}


def nearest(table, pictures, said):
    """The pictures nearest to a stored one. A search's score is 1 - cosine distance."""
    current = {row["image_id"] for row in pictures.values()}
    example = table.search().select(["image_id", "key", "vector"]).limit(1).to_list()[0]
    print(f"\nnearest to {example['key']} in {table.name}:")
    # More than are shown, because some rows are of former versions.
    rows = (
        table.search(example["vector"])
        .distance_type("cosine")
        .select(["image_id", "key"])
        .limit(20)
        .to_list()
    )
    shown = [row for row in rows if row["image_id"] in current][:5]
    for row in shown:
        print(
            f"  {1 - row['_distance']:.3f}  {row['key']}  {said.get(row['image_id'], 'no caption')}"
        )
    if not shown:
        sys.exit("no vector belongs to a picture that is still there")


if __name__ == "__main__":
    main()
