"""Puts a file into the bucket of the stack and overwrites its key: put.py KEY FILE."""

import os
import sys
from pathlib import Path

import boto3
from botocore.config import Config

client = boto3.client(
    "s3",
    endpoint_url=os.environ["BUCKETLENS__BUCKET__ENDPOINT"],
    region_name=os.environ["BUCKETLENS__BUCKET__REGION"],
    aws_access_key_id=os.environ["BUCKETLENS__BUCKET__ACCESS_KEY_ID"],
    aws_secret_access_key=os.environ["BUCKETLENS__BUCKET__SECRET_ACCESS_KEY"],
    config=Config(s3={"addressing_style": "path"}),
)
client.put_object(
    Bucket=os.environ["BUCKETLENS__BUCKET__NAME"],
    Key=sys.argv[1],
    Body=Path(sys.argv[2]).read_bytes(),
)
