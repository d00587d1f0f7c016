"""The real chain with one embedder, started as `just up` starts it."""

import os
import sys
import time
from collections import namedtuple
from pathlib import Path

DEV_SCRIPTS = Path(__file__).resolve().parents[2] / "dev"
sys.path[:0] = [str(DEV_SCRIPTS), str(DEV_SCRIPTS / "demo")]
import processes  # noqa: E402
import stack  # noqa: E402
from demo import upload  # noqa: E402
from measure import Search  # noqa: E402
from usage import cpu_seconds, peak_memory_bytes  # noqa: E402

POLL_INTERVAL = "2s"
# The greatest age of the table version that the searcher uses; the default is too coarse for short
# runs.
COUNTING_FRESHNESS = "50ms"
# Counting takes CPU time from the embedder, so the pause grows to this share of the elapsed time.
COUNTING_PAUSE, COUNTING_SHARE = 0.05, 0.02
STALLED_SECONDS = 120
SERVICES = ("embedder", "searcher", "ingest")

Model = namedtuple("Model", "id name title")


class Chain:
    """A store, a broker and at most one process of each service, for one model, in one folder."""

    def __init__(self, home, programs, model):
        self.home, self.programs, self.model = home, programs, model
        started = {**stack.start_store(home, programs), **stack.start_broker(home)}
        self.env = {**os.environ, **stack.onnxruntime(), **started}

    def run(self, service, **settings):
        """Starts or restarts a service with these settings; returns its address once ready."""
        file = stack.run_file(self.home, service)
        processes.stop(file)
        env = {**self.env, **{f"BUCKETLENS__{name}": value for name, value in settings.items()}}
        stack.start_service(self.home, self.programs, service, env)
        url = stack.address(self.home, service)
        processes.wait_ready(file, service, lambda: ready_soon(url), stack.READY_SECONDS)
        return url

    def run_ingest(self, **settings):
        return self.run("ingest", STAGES__MODELS=self.model.id, **settings)

    def run_searcher(self, **settings):
        return Search(self.run("searcher", MODELS__ACTIVE=self.model.name, **settings))

    def measure_embedding(self, pictures, keys):
        """Queues all pictures, starts the embedder and measures from ready to the last vector."""
        self.run_ingest(WATCH__POLL_INTERVAL=POLL_INTERVAL)
        search = self.run_searcher(SEARCH__FRESHNESS=COUNTING_FRESHNESS)
        upload(self.env, pictures, keys)
        wait_for(len(keys), lambda: queued(search))

        self.run("embedder", MODELS__SERVE=self.model.name)
        begun, before = time.monotonic(), self.cpu()
        wait_for(len(keys), lambda: self.embedded(search))
        seconds, after = time.monotonic() - begun, self.cpu()
        return {
            "seconds": seconds,
            "images_per_s": len(keys) / seconds,
            "cpu_s": {name: (after[name] - before[name]) / len(keys) for name in after},
        }

    def embedded(self, search):
        status = search.get("/v1/status")
        if dead := depth(status, "dead"):
            processes.fail(f"{dead} pictures were refused by the embedder; see {self.home / 'log'}")
        return status["tables"][f"embeddings_{self.model.id}"]["rows"]

    def cpu(self):
        return {name: cpu_seconds(pid) for name, pid in self.pids().items()}

    def peak_memory(self):
        return {name: peak_memory_bytes(pid) for name, pid in self.pids().items()}

    def pids(self):
        entries = {
            name: processes.running(stack.run_file(self.home, name))
            for name in (*SERVICES, "devstore")
        }
        entries["broker"] = stack.broker_entry(self.home)
        for name, entry in entries.items():
            if entry is None:
                processes.fail(f"{name} has ended; see {self.home / 'log'}")
        return {name: entry["pid"] for name, entry in entries.items()}


def ready_soon(url):
    """Polls often: the embedder begins the moment it is ready."""
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        if stack.ready(url):
            return True
        time.sleep(0.005)
    return False


def queued(search):
    status = search.get("/v1/status")
    return depth(status, "work") + depth(status, "bulk")


def depth(status, queue):
    """Also 0 while the queue does not exist or the broker has not answered in time."""
    return sum(depths.get(queue) or 0 for depths in (status["queues"] or {}).values())


def wait_for(total, count):
    """Waits until the count reaches the total; fails after two minutes without progress."""
    last, begun = -1, time.monotonic()
    moved = begun
    while (now := count()) < total:
        if now != last:
            last, moved = now, time.monotonic()
        if time.monotonic() - moved > STALLED_SECONDS:
            processes.fail(f"stopped at {now} of {total} pictures; see the logs in .dev/bench/home")
        time.sleep(max(COUNTING_PAUSE, COUNTING_SHARE * (time.monotonic() - begun)))
