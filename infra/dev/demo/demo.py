"""The demo: 300 pictures go into a bucket, and a moment later words find them.

    infra/dev/demo/demo.py          shows it, then stays until Ctrl-C
    infra/dev/demo/demo.py once  measures it, prints a line of JSON; fails if a picture is missing

Every run starts from an empty bucket in .dev/demo. Run it through `just demo`.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from botocore.config import Config

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import stack  # noqa: E402
from measure import Search, embedders_that_worked, recall_at_1  # noqa: E402

HOME = stack.DEV / "demo"
COUNT = 300
STALLED_SECONDS = 60
CONTENT_TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
LANGUAGES = ("en", "zh")
SAMPLES_PER_LANGUAGE = 3


def main():
    once = sys.argv[1:] == ["once"]
    if sys.argv[1:] and not once:
        sys.exit("error: the demo takes no argument, or the word once")
    # A closed terminal or a plain kill must not leave the services behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    stack.down(HOME)
    shutil.rmtree(HOME, ignore_errors=True)
    try:
        passed = show(once)
        if not once:
            print("\nRunning until Ctrl-C.", flush=True)
            threading.Event().wait()
    except KeyboardInterrupt:
        # Ctrl-C ends the demo in order; a measurement then counts as failed.
        passed = not once
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        stop()
    sys.exit(0 if passed else 1)


def stop():
    """Stops everything, even if the terminal is closed."""
    # To standard error: the line of JSON stays the last one on standard output.
    sys.stdout = sys.stderr
    try:
        print("\nStopping.", flush=True)
    except OSError:
        sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")
    stack.down(HOME)


def show(once):
    pictures = HOME / "pictures"
    print(
        f"drawing {COUNT} pictures; "
        "starting store, broker, ingest, two embedders, captioner and searcher",
        flush=True,
    )
    script = Path(__file__).with_name("pictures.py")
    drawing = subprocess.Popen(
        [sys.executable, script, pictures, "--count", str(COUNT)], stdout=subprocess.DEVNULL
    )
    env = stack.up(HOME)
    search = Search(stack.address(HOME, "searcher"))
    if drawing.wait() != 0:
        sys.exit("error: the pictures could not be drawn; see above")
    captions = json.loads((pictures / "captions.json").read_text(encoding="utf-8"))

    begun = time.monotonic()
    upload(env, pictures, [caption["key"] for caption in captions])
    follow(search.indexed, "indexed", len(captions), begun)
    seconds = time.monotonic() - begun
    follow(search.captioned, "captioned", len(captions), begun)

    for language in LANGUAGES:
        for caption in captions[:: COUNT // SAMPLES_PER_LANGUAGE]:
            sample(search, caption[language], caption["key"])
    if once:
        return report(search, captions, seconds)
    invite(env, search)
    return True


def upload(env, folder, keys):
    client = boto3.client(
        "s3",
        endpoint_url=env["BUCKETLENS__BUCKET__ENDPOINT"],
        region_name=env["BUCKETLENS__BUCKET__REGION"],
        aws_access_key_id=env.get("BUCKETLENS__BUCKET__ACCESS_KEY_ID"),
        aws_secret_access_key=env.get("BUCKETLENS__BUCKET__SECRET_ACCESS_KEY"),
        config=Config(s3={"addressing_style": "path"}),
    )

    def put(key):
        body = (folder / key).read_bytes()
        kind = CONTENT_TYPES[Path(key).suffix]
        client.put_object(
            Bucket=env["BUCKETLENS__BUCKET__NAME"], Key=key, Body=body, ContentType=kind
        )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, keys))
    print(f"uploaded {len(keys)} pictures to bucket {env['BUCKETLENS__BUCKET__NAME']}", flush=True)


def follow(count, what, total, begun):
    """Shows progress until all pictures are counted; fails after a minute without any."""
    done, moved = 0, time.monotonic()
    while done < total and time.monotonic() - moved < STALLED_SECONDS:
        time.sleep(0.2)
        now = count()
        if now == done:
            continue
        done, moved = now, time.monotonic()
        rate = done / (moved - begun)
        left = (total - done) / rate
        print(f"{what} {done}/{total}, {rate:.0f} pictures/s, {left:.0f} s left", flush=True)


def sample(search, words, expected):
    print(f'\n"{words}"')
    for hit in search.hits(words, 5):
        mark = "  <- the picture described" if hit["key"] == expected else ""
        print(f"  {hit['score']:.3f}  {hit['key']}  {hit.get('caption', '')}{mark}", flush=True)


def report(search, captions, seconds):
    # Rows were counted so far, and an object may have two for a while; now count what searches
    # show.
    shown = {hit["key"]: hit.get("captions", {}) for hit in search.hits(captions[0]["en"], 1000)}
    indexed = sum(caption["key"] in shown for caption in captions)
    idle = [name for name, worked in embedders_that_worked(HOME).items() if not worked]
    result = {"images": len(captions), "indexed": indexed, "seconds": round(seconds, 2)}
    for language in LANGUAGES:
        result[f"recall_at_1_{language}"] = recall_at_1(search, captions, language)
        # The true sentence names every attribute: place, time, object and colour.
        right = sum(
            shown.get(caption["key"], {}).get(language) == caption[language] for caption in captions
        )
        result[f"captions_right_{language}"] = round(right / len(captions), 4)
    for name in idle:
        print(f"error: {name} has done no job; see {HOME / 'log'}", file=sys.stderr)
    if indexed != len(captions):
        print(
            f"error: {len(captions) - indexed} pictures are missing; see {HOME / 'log'}",
            file=sys.stderr,
        )
    print(json.dumps(result), flush=True)
    return not idle and indexed == len(captions)


def invite(env, search):
    name, endpoint = env["BUCKETLENS__BUCKET__NAME"], env["BUCKETLENS__BUCKET__ENDPOINT"]
    print(f"""
The page:  {search.url}

Your own pictures, with the AWS command line:

  export AWS_ACCESS_KEY_ID={env.get("BUCKETLENS__BUCKET__ACCESS_KEY_ID", "...")}
  export AWS_SECRET_ACCESS_KEY={env.get("BUCKETLENS__BUCKET__SECRET_ACCESS_KEY", "...")}
  export AWS_REGION=us-east-1
  aws s3 cp --recursive --endpoint-url {endpoint} FOLDER s3://{name}/mine/

or any other S3 client: bucket {name}, endpoint {endpoint}, path-style addresses.""")


if __name__ == "__main__":
    main()
