"""A clean start, a clean end and built programs for every benchmark."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from chain import processes, stack


def run(measure, folder, homes):
    """Calls `measure` with no process of ours running and `folder` empty. Stops the processes in
    `homes` in any case. Writes the result to `folder` and returns it."""
    # The defaults are measured: variables of the shell must not change settings or the store.
    for name in [name for name in os.environ if name.startswith("BUCKETLENS__")]:
        del os.environ[name]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        # Progress goes to standard error, so that standard output is the report alone.
        with contextlib.redirect_stdout(sys.stderr):
            stop(homes)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            result = measure()
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        stop(homes)
    (folder / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    return result


def stop(homes):
    """Stops all processes silently, because the terminal may be closed."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        for home in homes:
            stack.down(home)


def build(profile, *more):
    """Builds all programs and `more` at once, with the same dependencies; returns their folder."""
    command = ["cargo", "build", "--workspace", "--bins", *more, "--profile", profile]
    if subprocess.run(command, cwd=stack.ROOT, stdout=sys.stderr, check=False).returncode != 0:
        processes.fail("the build failed; see above")
    metadata = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    answer = subprocess.run(metadata, cwd=stack.ROOT, stdout=subprocess.PIPE, check=True)
    return Path(json.loads(answer.stdout)["target_directory"]) / (
        "debug" if profile == "dev" else profile
    )
