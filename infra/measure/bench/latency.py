"""Waiting times: from upload to searchable, and of a search."""

import http.client
import json
import math
import random
import time
import urllib.parse
import urllib.request

import boto3
from botocore.config import Config
from chain import POLL_INTERVAL, STALLED_SECONDS, processes

SECRET = "bench"
LOOK_PAUSE = 0.02
WARM_UP = 5


def measure(chain, pictures, keys, texts):
    """Waiting times in seconds of an idle chain; one of `keys` per kind warms up."""
    search = chain.run_searcher()
    result = {"text_search": summary(search_texts(search.url, texts))}
    half = len(keys) // 2
    bucket = Bucket(chain.env)

    chain.run_ingest(WATCH__POLL_INTERVAL=POLL_INTERVAL)
    waited = [
        put_to_searchable(bucket, search, pictures / key, f"polled/{key}") for key in keys[:half]
    ]
    result["put_to_searchable_polling"] = summary(waited[1:])

    # Listings keep their default of a minute, so an early find is due to the event.
    door = chain.run_ingest(EVENTS__SECRET=SECRET) + "/events"
    waited = [
        put_to_searchable(bucket, search, pictures / key, f"told/{key}", door)
        for key in keys[half:]
    ]
    result["put_to_searchable_event"] = summary(waited[1:])
    return result


class Bucket:
    def __init__(self, env):
        self.name = env["BUCKETLENS__BUCKET__NAME"]
        self.client = boto3.client(
            "s3",
            endpoint_url=env["BUCKETLENS__BUCKET__ENDPOINT"],
            region_name=env["BUCKETLENS__BUCKET__REGION"],
            aws_access_key_id=env["BUCKETLENS__BUCKET__ACCESS_KEY_ID"],
            aws_secret_access_key=env["BUCKETLENS__BUCKET__SECRET_ACCESS_KEY"],
            config=Config(s3={"addressing_style": "path"}),
        )

    def put(self, key, body):
        self.client.put_object(Bucket=self.name, Key=key, Body=body)

    def notification(self, key):
        """MinIO's notification of an upload."""
        about = {
            "bucket": {"name": self.name},
            "object": {"key": urllib.parse.quote_plus(key), "size": 1, "eTag": "hint"},
        }
        record = {
            "eventVersion": "2.1",
            "eventSource": "minio:s3",
            "eventName": "s3:ObjectCreated:Put",
            "s3": about,
        }
        return json.dumps({"Records": [{**record, "eventTime": "2026-01-01T00:00:00Z"}]}).encode()


def put_to_searchable(bucket, search, file, key, door=None):
    """Seconds from the start of the upload until it is found; with a door, by an event."""
    body = file.read_bytes()
    # At a random moment between two listings, not always right after one.
    time.sleep(random.uniform(0, 2))
    begun = time.monotonic()
    bucket.put(key, body)
    if door:
        headers = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
        urllib.request.urlopen(
            urllib.request.Request(door, bucket.notification(key), headers), timeout=10
        ).close()
    while not search.get("/v1/search", q="a picture", prefix=key, top_k=1)["hits"]:
        if time.monotonic() - begun > STALLED_SECONDS:
            processes.fail(
                f"{key} is still not found after {STALLED_SECONDS} s; "
                "see the logs in .dev/bench/home"
            )
        time.sleep(LOOK_PAUSE)
    return time.monotonic() - begun


def search_texts(url, texts):
    """Seconds per search, one after the other over one connection."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=30)
    waited = []
    for text in [*texts[:WARM_UP], *texts]:
        begun = time.monotonic()
        connection.request("GET", "/v1/search?" + urllib.parse.urlencode({"q": text}))
        answer = connection.getresponse()
        hits = json.load(answer).get("hits")
        waited.append(time.monotonic() - begun)
        if not hits:
            processes.fail(f"the search for '{text}' was answered {answer.status} and without hits")
    return waited[WARM_UP:]


def summary(waited):
    return {
        "count": len(waited),
        "p50_s": percentile(waited, 0.5),
        "p99_s": percentile(waited, 0.99),
    }


def percentile(values, share):
    """The smallest value that this share of all values does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]
