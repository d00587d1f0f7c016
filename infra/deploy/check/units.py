"""infra/deploy/systemd: systemd's own check, hardening, and settings."""

import re
import shutil
import tempfile
from pathlib import Path

import settings
import tools

# The exposure of `systemd-analyze security`, 0 to 10, times ten.
WORST_EXPOSURE = 20
INSTANCE = "8082"


def findings(root):
    folder = root / "infra/deploy/systemd"
    found = []
    shared = variables((folder / "bucketlens.env").read_text())
    for program in settings.PROGRAMS:
        found += settings.unknown_variables(root, program, shared)
        found += settings.unknown_keys(
            root, program, (folder / f"settings/{program}.toml").read_text()
        )
        [unit] = folder.glob(f"bucketlens-{program}*.service")
        text = unit.read_text()
        found += settings.unknown_variables(root, program, variables(text))
        found += settings.missing_grace(
            root, program, re.search(r"^TimeoutStopSec=(.+)", text, re.MULTILINE)[1]
        )
        if program != "ingest":
            found += settings.unknown_variables(
                root, program, variables((folder / "gpu.conf").read_text())
            )
    return found + systemd(folder)


def variables(text):
    lines = [
        line.removeprefix("Environment=") for line in text.splitlines() if not line.startswith("#")
    ]
    return [name for line in lines for name in re.findall(r"(BUCKETLENS_\w+)=", line)]


def systemd(folder):
    """Installs the units below a temporary root and lets systemd check them."""
    with tempfile.TemporaryDirectory() as place:
        etc = Path(place, "etc/systemd/system")
        shutil.copytree(
            folder,
            etc,
            ignore=shutil.ignore_patterns("settings", "*.env", "*.sysusers.conf", "gpu.conf"),
        )
        lib = Path(place, "usr/lib/systemd/system")
        lib.mkdir(parents=True)
        for target in Path("/usr/lib/systemd/system").glob("*.target"):
            shutil.copy(target, lib)
        for program in (*(f"opt/bucketlens/bin/{name}" for name in settings.PROGRAMS), "bin/kill"):
            Path(place, program).parent.mkdir(parents=True, exist_ok=True)
            Path(place, program).touch(mode=0o755)
        names = [unit.name.replace("@.", f"@{INSTANCE}.") for unit in sorted(etc.glob("*.service"))]
        # A second round adds the drop-in for GPUs.
        found = verify(place, names)
        for unit in etc.glob("*.service"):
            Path(f"{unit}.d").mkdir()
            shutil.copy(folder / "gpu.conf", f"{unit}.d")
        found += [f"with gpu.conf: {line}" for line in verify(place, names, exposure=40)]
        sysusers = Path(place, "etc/sysusers.d")
        sysusers.mkdir()
        shutil.copy(folder / "bucketlens.sysusers.conf", sysusers / "bucketlens.conf")
        found += tools.complaints(["systemd-sysusers", f"--root={place}"], place)
    return found


def verify(place, names, exposure=WORST_EXPOSURE):
    analyze = ["systemd-analyze", f"--root={place}"]
    # It only warns about unknown keys, and succeeds.
    found = tools.complaints([*analyze, "verify", *names], place, silent_is_good=True)
    for name in names:
        lines = tools.complaints(
            [*analyze, "--offline=true", f"--threshold={exposure}", "security", name], place
        )
        found += lines[-1:]
    return found
