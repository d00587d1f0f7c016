"""The commands, metrics and memory of ingest."""

import json
import re
import subprocess
import time
import urllib.request
from collections import namedtuple
from pathlib import Path

from chain import processes, stack
from usage import cpu_seconds

LOOK_SECONDS = 0.02
WAIT_SECONDS = 600

Done = namedtuple("Done", "answer seconds cpu_s peak_bytes")


def command(chain, *arguments, may_fail=False, **settings):
    """Runs a command of ingest that prints JSON, and measures `cpu_s` and `peak_bytes` of it."""
    env = {**chain.env, **{f"BUCKETLENS__{name}": str(value) for name, value in settings.items()}}
    log = chain.home / "log" / "commands.log"
    cpu_s, peak_bytes, begun = 0.0, 0, time.monotonic()
    with log.open("ab") as errors, (chain.home / "answer.json").open("w+b") as output:
        process = subprocess.Popen(
            [chain.programs / "ingest", *arguments], env=env, stdout=output, stderr=errors
        )
        try:
            while process.poll() is None:
                try:
                    cpu_s, peak_bytes = cpu_seconds(process.pid), memory(process.pid)["peak_bytes"]
                except (FileNotFoundError, ProcessLookupError, KeyError):
                    # It has ended; keep the last figures.
                    pass
                time.sleep(LOOK_SECONDS)
        finally:
            process.kill()
        seconds = time.monotonic() - begun
        if process.returncode != 0 and not may_fail:
            processes.fail(f"`ingest {' '.join(arguments)}` failed; see {log}")
        output.seek(0)
        return Done(json.loads(output.read()), seconds, cpu_s, peak_bytes)


def memory(pid):
    """Resident memory of a process, now and at its peak."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    size = {"resident_bytes": "VmRSS", "peak_bytes": "VmHWM"}
    return {name: int(fields[field].split()[0]) * 1024 for name, field in size.items()}


def metrics(url):
    """Every metric of a process by name, summed over its labels."""
    with urllib.request.urlopen(url + "/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    values = {}
    for line in lines:
        if found := re.match(r"^([a-z_]+)(?:\{.*\})? ([0-9.eE+-]+)$", line):
            values[found[1]] = values.get(found[1], 0) + float(found[2])
    return values


def watching(chain, listings, **settings):
    """Runs ingest for some listings; returns its memory then and the time of a listing."""
    url = chain.run_ingest(WATCH__POLL_INTERVAL="1s", **settings)
    wait(
        lambda: metrics(url).get("bucketlens_ingest_listings_total", 0) >= listings,
        "ingest does not list the bucket",
    )
    seconds = metrics(url)["bucketlens_ingest_reconcile_seconds"]
    used = memory(pid(chain, "ingest"))
    stop(chain, "ingest")
    return {**used, "listing_s": seconds}


def wait(true, otherwise):
    deadline = time.monotonic() + WAIT_SECONDS
    while not true():
        if time.monotonic() > deadline:
            processes.fail(f"{otherwise} within {WAIT_SECONDS} s")
        time.sleep(0.2)


def pid(chain, service):
    entry = processes.running(stack.run_file(chain.home, service))
    return (
        entry["pid"] if entry else processes.fail(f"{service} has ended; see {chain.home / 'log'}")
    )


def stop(chain, service):
    processes.stop(stack.run_file(chain.home, service), seconds=60)


def depths(chain):
    """Messages in each queue, including those held by consumers."""
    command = [stack.BROKER, "--dir", chain.home / "broker", "control", "--"]
    command += ["list_queues", "--formatter", "json", "name", "messages"]
    answer = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return {queue["name"]: queue["messages"] for queue in json.loads(answer.stdout)}
