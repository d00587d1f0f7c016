"""Background processes that outlive the command which started them.

Each has a run file (JSON: process id, when that process started, and whatever
its starter adds, such as a URL). A process id alone may have been given to a
stranger since, so nothing is signalled unless the start time agrees too.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


def fail(message):
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)


def free_port(preferred=0):
    """A port of the loopback interface that nothing listens on, the preferred one if possible."""
    for port in (preferred, 0):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
                return listener.getsockname()[1]
            except OSError:
                continue
    fail("no free port on 127.0.0.1; stop what holds them")


def start(run_file, command, env, log, **about):
    """Starts a process in a new session, which Ctrl-C in the terminal does not reach."""
    run_file.parent.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    entry = {"pid": process.pid, "started": _started(process.pid), "log": str(log), **about}
    draft = run_file.with_suffix(".draft")
    draft.write_text(json.dumps(entry) + "\n")
    draft.replace(run_file)
    return entry


def running(run_file):
    """The entry of the run file; None without a file or after its process has ended."""
    try:
        entry = json.loads(run_file.read_text())
    except (FileNotFoundError, ValueError):
        return None
    started = _started(entry["pid"])
    return entry if started is not None and started == entry["started"] else None


def stop(run_file, seconds=30, first=signal.SIGTERM):
    """Stops the process by `first`, and by SIGKILL after the deadline; returns whether one ran."""
    entry = running(run_file)
    if entry:
        for name, wait_seconds in ((first, seconds), (signal.SIGKILL, 10)):
            try:
                os.kill(entry["pid"], name)
            except ProcessLookupError:
                break
            if _ends_within(run_file, wait_seconds):
                break
    run_file.unlink(missing_ok=True)
    return entry is not None


def wait_ready(run_file, name, ready, seconds=60):
    """Waits for ready(); if the process dies or is late, exits with the tail of its log."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        entry = running(run_file)
        if entry is None:
            break
        if ready():
            return entry
        time.sleep(0.1)
    ended = running(run_file) is None
    entry = json.loads(run_file.read_text())
    lines = Path(entry["log"]).read_text(errors="replace").splitlines()[-25:]
    what = "ended at once" if ended else f"was not ready after {seconds} s"
    fail(f"{name} {what}; its log {entry['log']} closes with:\n" + "\n".join(lines))


def _ends_within(run_file, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if running(run_file) is None:
            return True
        time.sleep(0.05)
    return False


def _started(pid):
    """The start time of a process in clock ticks since boot; None if it is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command name in brackets may contain anything, so count the fields after it.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])
