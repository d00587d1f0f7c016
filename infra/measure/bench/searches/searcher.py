"""A searcher and its store, without a broker, which searches do not need."""

import json
import os
import re
import shutil
import time
import urllib.request
from collections import namedtuple
from pathlib import Path

from chain import processes, stack
from operate import memory
from searches.client import Client, checked

READY_SECONDS = 900
LOOK_PAUSE = 0.01

Requests = namedtuple("Requests", "following rest")


class Searcher:
    """At most one process, on the linked copy of generated tables in the folder `home`."""

    def __init__(self, home, programs, generated):
        self.home, self.programs, self.generated = home, programs, generated
        self.cache = home / "cache"
        self.url = None
        generated.link_store(home)
        self.start_store()

    def start_store(self, delay_ms=0):
        """Starts the store anew; every request then waits so long."""
        processes.stop(stack.run_file(self.home, "devstore"))
        os.environ["DEVSTORE_DELAY_MS"] = str(delay_ms)
        stack.start_store(self.home, self.programs)
        del os.environ["DEVSTORE_DELAY_MS"]

    def tables(self):
        return self.generated.tables(self.programs, self.home)

    def launch(self, **settings):
        """Starts the process anew, and does not wait for it."""
        self.stop()
        ours = {
            "MODELS__ACTIVE": str(self.generated.model),
            "CAPTIONS__ACTIVE": "demo-captioner",
            "CACHE__FOLDER": str(self.cache),
            **settings,
        }
        env = {**os.environ, **stack.onnxruntime(), **stack.store_settings(self.home)}
        env |= {f"BUCKETLENS__{name}": value for name, value in ours.items()}
        stack.start_service(self.home, self.programs, "searcher", env)
        self.url = stack.address(self.home, "searcher")

    def start(self, rows, **settings):
        """Starts it anew; returns once searches see all rows."""
        self.launch(**settings)
        file = stack.run_file(self.home, "searcher")
        processes.wait_ready(file, "searcher", lambda: self.sees(rows), READY_SECONDS)
        checked(self.client().search(self.vector(0)), "the first search")

    def sees(self, rows):
        if not stack.ready(self.url):
            return False
        tables = self.get("/v1/status")["tables"]
        names = (f"embeddings_{self.generated.name}", "captions_demo-captioner")
        seen = all(tables.get(name, {}).get("rows") == rows for name in names)
        return seen and self.client().search(self.vector(0)).status == 200

    def vector(self, number, **more):
        """The search for the vector of this number."""
        return {"vector": self.generated.queries[number].tolist(), "top_k": 10, **more}

    def client(self):
        return Client(self.url)

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=120) as answer:
            return json.load(answer)

    def stop(self):
        processes.stop(stack.run_file(self.home, "searcher"), seconds=60)

    def down(self):
        stack.down(self.home)

    def forget_files(self):
        shutil.rmtree(self.cache, ignore_errors=True)

    def memory(self):
        """Resident bytes, now and at the peak."""
        return memory(processes.running(stack.run_file(self.home, "searcher"))["pid"])

    def log(self):
        return Path(self.home / "log" / "searcher.log")

    def requests(self):
        """How many requests the store has got: those that follow the versions of the tables, and
        the rest."""
        url = stack.address(self.home, "devstore") + "/-/requests"
        with urllib.request.urlopen(url, timeout=30) as answer:
            counts = json.load(answer)
        tables = {name: n for name, n in counts.items() if ".lance" in name}
        following = {name for name in tables if name.startswith("LIST") or "/_versions" in name}
        rest = sum(count for name, count in tables.items() if name not in following)
        return Requests(sum(counts.values()) - rest, rest)

    def text_encoding_s(self):
        """Seconds and number of all texts encoded so far; None if it does not tell."""
        with urllib.request.urlopen(self.url + "/metrics", timeout=30) as answer:
            text = answer.read().decode()
        found = [
            re.search(rf"^bucketlens_text_encoding_seconds_{part}(?:\{{.*\}})? (\S+)$", text, re.M)
            for part in ("sum", "count")
        ]
        return tuple(float(each[1]) for each in found) if all(found) else None


def wait_until(true, seconds, otherwise):
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            processes.fail(f"{otherwise} within {seconds} s")
        time.sleep(LOOK_PAUSE)
