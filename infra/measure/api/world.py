"""The product as the demo starts it, in its own folder, with good pictures and hostile ones."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

DEV_SCRIPTS = Path(__file__).resolve().parents[2] / "dev"
sys.path[:0] = [str(DEV_SCRIPTS), str(DEV_SCRIPTS / "demo")]
import boto3  # noqa: E402
import hostile  # noqa: E402
import processes  # noqa: E402
import stack  # noqa: E402
import wire  # noqa: E402
from botocore.config import Config  # noqa: E402
from demo import upload  # noqa: E402

PICTURES = 60
STALLED_SECONDS = 180
# Ports that `just up` does not use.
PAGE_PORT, STORE_PORT = 8180, 9100
# A further site that the searcher may call, besides the public internet.
SITE = "127.0.0.2"


class World:
    def __init__(self, home, programs=None):
        self.home = home
        if programs:
            stack.build = lambda: programs
        stack.PAGE_PORT, stack.STORE_PORT = PAGE_PORT, STORE_PORT
        stack.PAGE["BUCKETLENS__IMAGE_URLS__ALLOW"] = f"{SITE}/32"

    def clear(self):
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def start(self):
        """Starts the processes that do not run; returns once every picture is indexed or a dead
        letter."""
        folder = self.home / "pictures"
        script = DEV_SCRIPTS / "demo" / "pictures.py"
        drawing = subprocess.Popen(
            [sys.executable, script, folder, "--count", str(PICTURES)], stdout=subprocess.DEVNULL
        )
        self.env = stack.up(self.home, embedders=1)
        self.programs = stack.build()
        if drawing.wait() != 0:
            processes.fail("the pictures could not be drawn; see above")
        self.captions = json.loads((folder / "captions.json").read_text(encoding="utf-8"))
        upload(self.env, folder, [caption["key"] for caption in self.captions])
        bucket = self.bucket()
        for key, body in {**hostile.pictures(), **hostile.broken()}.items():
            bucket.put_object(Bucket=self.env["BUCKETLENS__BUCKET__NAME"], Key=key, Body=body)
        self.wait_indexed()

    def stop(self):
        stack.down(self.home)

    @property
    def base(self):
        """Address of the searcher."""
        return stack.address(self.home, "searcher")

    @property
    def ingest(self):
        return stack.address(self.home, "ingest")

    @property
    def store(self):
        return self.env["BUCKETLENS__BUCKET__ENDPOINT"]

    def pid(self, name="searcher"):
        entry = processes.running(stack.run_file(self.home, name))
        assert entry, f"{name} has ended; see {self.home / 'log'}"
        return entry["pid"]

    def memory_bytes(self, name="searcher"):
        status = Path(f"/proc/{self.pid(name)}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) << 10

    def bucket(self):
        return boto3.client(
            "s3",
            endpoint_url=self.store,
            region_name=self.env["BUCKETLENS__BUCKET__REGION"],
            aws_access_key_id=self.env["BUCKETLENS__BUCKET__ACCESS_KEY_ID"],
            aws_secret_access_key=self.env["BUCKETLENS__BUCKET__SECRET_ACCESS_KEY"],
            config=Config(s3={"addressing_style": "path"}),
        )

    def get(self, target, **options):
        """JSON of an answer that must be 200."""
        answer = wire.ask(self.base, target, **options)
        assert answer.status == 200, (
            f"{target}: {answer.status or answer.closed} {answer.body[:300]!r}"
        )
        return json.loads(answer.body)

    def post(self, target, body):
        return self.get(
            target,
            method="POST",
            headers=[("Content-Type", "application/json")],
            body=json.dumps(body).encode(),
        )

    def searches(self):
        """Fails unless a plain search still works, as before and after every check."""
        answer = self.get("/v1/search?q=a+red+car&top_k=3")
        assert len(answer["hits"]) == 3, f"{len(answer['hits'])} hits instead of 3"
        self.pid()

    def image_id(self):
        return self.get("/v1/library?limit=1")["pictures"][0]["image_id"]

    def wait_indexed(self):
        """Waits until every good picture has a vector and a caption, and every bad one a dead
        letter."""
        good, bad = len(self.captions) + len(hostile.NAMES), len(hostile.broken())
        deadline = time.monotonic() + STALLED_SECONDS
        done = []
        while time.monotonic() < deadline:
            stages = self.get("/v1/ops/progress")["stages"]
            done = [(stage["indexed"], stage["dead"]) for stage in stages]
            if all(indexed >= good and (dead or 0) >= bad for indexed, dead in done):
                return
            time.sleep(1)
        processes.fail(
            f"of {good} pictures and {bad} broken ones these are done (per stage): {done}; "
            f"see {self.home / 'log'}"
        )


def environment(world, **more):
    """The environment of a program that a user runs."""
    return {**os.environ, "BASE": world.base, **more}
