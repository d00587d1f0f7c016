"""The files of the repository, and copies of them in which a check can plant a mistake."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

# No check reads what is larger: models, pictures, recordings.
LARGEST_BYTES = 300_000


def tracked(root, *endings):
    """Names of all files, or of those that end so, as git knows them; in a copy, all there are."""
    if (root / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True)
        names = [name for name in listed.stdout.split("\0") if name]
    else:
        names = [
            os.path.relpath(os.path.join(folder, name), root)
            for folder, _, files in os.walk(root)
            for name in files
        ]
    present = (name for name in sorted(set(names)) if os.path.lexists(root / name))
    return [name for name in present if not endings or name.endswith(endings)]


@contextlib.contextmanager
def copy(root):
    """A folder with a copy of every file that checks read."""
    with tempfile.TemporaryDirectory() as place:
        for name in tracked(root):
            source, target = root / name, Path(place, name)
            if not source.is_symlink() and source.stat().st_size > LARGEST_BYTES:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target, follow_symlinks=False)
        yield Path(place)
