#!/usr/bin/env python3
"""The whole product on this machine: object store, broker, ingest, embedders, captioner, searcher.

    infra/dev/stack.py up [--embedders N] | down | status   [--home DIR]
    infra/dev/stack.py ingest ARGUMENT...       runs a command of ingest on what is up: doctor, ...

Logs are in DIR/log, process ids and addresses in DIR/run, data beside them; DIR is .dev. Variables
of yours that start with BUCKETLENS__ are passed on and win. With BUCKETLENS__BUCKET__ENDPOINT or
BUCKETLENS__AMQP__URL set, no store or no broker is started and yours is used.
"""

import argparse
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import processes

ROOT = Path(__file__).resolve().parents[2]
DEV = ROOT / ".dev"
BROKER = Path(__file__).resolve().with_name("broker.py")
BUCKET = "pictures"
ACCESS_KEY = "bucketlens-dev"
SECRET_KEY = "bucketlens-dev-secret"
STORE_PORT = 9000
PAGE_PORT = 8080
READY_SECONDS = 60
# Settings of ingest and its commands that differ from the defaults.
SERVED = {"BUCKETLENS__STAGES__CAPTIONERS": "demo-captioner"}
# The terms that the demo model knows; it can only guess others.
KNOWN = (
    "red orange yellow green blue purple white black "
    "car house tree cat fish boat balloon flower star ball "
    "beach forest city mountain desert daytime sunset night"
)
PAGE = {"BUCKETLENS__UPLOAD__ENABLED": "true", "BUCKETLENS__IMAGE_URLS__ENABLED": "true"}
TAGGED = {
    "BUCKETLENS__KEYWORDS__KNOWN": KNOWN.replace(" ", ","),
    "BUCKETLENS__KEYWORDS__THRESHOLD": "2.0",
}
START_ORDER = ("ingest", "embedder", "captioner", "searcher")


def main():
    # ingest itself parses the further arguments.
    if sys.argv[1:2] == ["ingest"]:
        operate(DEV, sys.argv[2:])
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("up", "down", "status", "ingest"))
    parser.add_argument("--embedders", type=int, default=2)
    parser.add_argument("--home", type=Path, default=DEV)
    arguments = parser.parse_args()
    home = arguments.home.resolve()
    if arguments.command == "up":
        up(home, arguments.embedders)
    if arguments.command == "down":
        down(home)
    if arguments.command in ("up", "status"):
        print_status(home)


def up(home, embedders=2):
    """Builds, starts every process that does not run, and returns once all are ready."""
    programs = build()
    settings = {**start_store(home, programs), **start_broker(home), **onnxruntime()}
    # Variables of the user win, except the address, which several processes cannot share.
    env = {**settings, **os.environ}
    env.pop("BUCKETLENS__HTTP__LISTEN", None)

    start_service(
        home, programs, "ingest", {"BUCKETLENS__WATCH__POLL_INTERVAL": "2s", **SERVED, **env}
    )
    for number in range(1, embedders + 1):
        start_service(home, programs, "embedder", env, name=f"embedder-{number}")
    start_service(home, programs, "captioner", {**TAGGED, **env})
    page = {**PAGE, "BUCKETLENS__OPERATIONS__URL": address(home, "ingest"), **env}
    start_service(home, programs, "searcher", page, preferred_port=PAGE_PORT)
    for name in services(home):
        url = address(home, name)
        processes.wait_ready(run_file(home, name), name, lambda url=url: ready(url), READY_SECONDS)
    return env


def operate(home, arguments):
    """Replaces this process by a command of ingest, with the settings of the running stack."""
    settings = store_settings(home)
    if broker := broker_entry(home):
        settings["BUCKETLENS__AMQP__URL"] = broker["amqp_url"]
    program = build() / "ingest"
    os.execve(program, [program, *arguments], {**settings, **SERVED, **os.environ})


def down(home):
    """Stops everything, the last started first."""
    for name in reversed(services(home)):
        if processes.stop(run_file(home, name)):
            print(f"{name} stopped", flush=True)
    was_running = broker_entry(home)
    # Even if the node crashed: its port mapper (epmd) outlives it.
    if (home / "broker" / "ports.json").exists():
        subprocess.run([BROKER, "stop", *broker_folder(home)], check=False)
    if was_running:
        print("broker stopped", flush=True)
    if processes.stop(run_file(home, "devstore")):
        print("devstore stopped", flush=True)


def print_status(home):
    entries = {
        "devstore": processes.running(run_file(home, "devstore")),
        "broker": broker_entry(home),
    }
    entries.update({name: processes.running(run_file(home, name)) for name in services(home)})
    for name, entry in entries.items():
        if entry is None:
            print(f"{name:12} not running")
            continue
        url = entry.get("url") or entry.get("amqp_url")
        state = "ready" if name in ("devstore", "broker") or ready(url) else "not ready"
        print(f"{name:12} {state:10} pid {entry['pid']:<8} {url}")


def build():
    """Builds every program and returns the folder they are in."""
    command = ["cargo", "build", "--workspace", "--bins"]
    # The whole workspace at once: one package alone has other features, which compiles everything
    # again.
    if subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False).returncode != 0:
        processes.fail("the build failed; see above")
    metadata = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    answer = subprocess.run(metadata, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return Path(json.loads(answer.stdout)["target_directory"]) / "debug"


def start_store(home, programs):
    if os.environ.get("BUCKETLENS__BUCKET__ENDPOINT"):
        return store_settings(home)
    file = run_file(home, "devstore")
    if processes.running(file) is None:
        ready_file = home / "run" / "devstore.endpoint"
        ready_file.unlink(missing_ok=True)
        port = processes.free_port(STORE_PORT)
        command = [programs / "devstore", "--root", home / "store", "--listen", f"127.0.0.1:{port}"]
        command += ["--bucket", BUCKET, "--ready-file", ready_file]
        env = {**os.environ, "DEVSTORE_ACCESS_KEY": ACCESS_KEY, "DEVSTORE_SECRET_KEY": SECRET_KEY}
        processes.start(
            file, command, env, home / "log" / "devstore.log", url=f"http://127.0.0.1:{port}"
        )
        processes.wait_ready(file, "devstore", ready_file.exists)
    return store_settings(home)


def store_settings(home):
    place = {"BUCKETLENS__BUCKET__NAME": BUCKET, "BUCKETLENS__BUCKET__REGION": "us-east-1"}
    if os.environ.get("BUCKETLENS__BUCKET__ENDPOINT"):
        return place
    return {
        **place,
        "BUCKETLENS__BUCKET__ENDPOINT": address(home, "devstore"),
        "BUCKETLENS__BUCKET__ACCESS_KEY_ID": ACCESS_KEY,
        "BUCKETLENS__BUCKET__SECRET_ACCESS_KEY": SECRET_KEY,
    }


def start_broker(home):
    if os.environ.get("BUCKETLENS__AMQP__URL"):
        return {}
    command = [BROKER, "start", *broker_folder(home)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if answer.returncode != 0:
        sys.exit(1)
    return {"BUCKETLENS__AMQP__URL": json.loads(answer.stdout)["amqp_url"]}


def onnxruntime():
    library = DEV / "onnxruntime" / "libonnxruntime.so"
    return {"ORT_DYLIB_PATH": str(library)} if library.exists() else {}


def start_service(home, programs, program, env, name=None, preferred_port=0):
    name = name or program
    file = run_file(home, name)
    if processes.running(file) is None:
        listen = f"127.0.0.1:{processes.free_port(preferred_port)}"
        env = {**env, "BUCKETLENS__HTTP__LISTEN": listen}
        processes.start(
            file,
            [programs / program, "run"],
            env,
            home / "log" / f"{name}.log",
            url=f"http://{listen}",
        )


def services(home):
    """The services that have a run file, in the order they are started."""
    names = [file.stem for file in (home / "run").glob("*.json")]
    known = [name for name in names if name.split("-")[0] in START_ORDER]
    return sorted(known, key=lambda name: (START_ORDER.index(name.split("-")[0]), name))


def ready(url):
    try:
        with urllib.request.urlopen(url + "/readyz", timeout=2) as answer:
            return answer.status == 200
    except (OSError, ValueError, urllib.error.URLError):
        return False


def address(home, name):
    """The URL of a running process of this stack, or an empty text."""
    entry = processes.running(run_file(home, name))
    return entry["url"] if entry else ""


def run_file(home, name):
    return home / "run" / f"{name}.json"


def broker_folder(home):
    return [] if home == DEV else ["--dir", home / "broker"]


def broker_entry(home):
    return processes.running(
        run_file(home, "broker") if home == DEV else home / "broker" / "broker.json"
    )


if __name__ == "__main__":
    main()
