"""Runs the tools that infra/dev/setup.sh installs."""

import subprocess
import sys
from pathlib import Path

DEV = Path(__file__).resolve().parents[3] / ".dev"
SCRIPTS = Path(sys.executable).parent


def complaints(command, folder, silent_is_good=False):
    """The lines that a failing tool prints; with `silent_is_good` all lines of any run."""
    done = subprocess.run(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode == 0 and not silent_is_good:
        return []
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    return lines or ([f"{command[0]} failed without a word"] if done.returncode else [])
