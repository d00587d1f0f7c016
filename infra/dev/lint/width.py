"""No line of code is wider than 100 columns."""

import sources

COLUMNS = 100
ENDINGS = (".rs", ".py", ".mjs", ".js", ".sh", ".toml", "justfile", ".ci/run", "infra/just")
# Lists of words and data, one entry a line; and what other projects wrote.
DATA = ("Cargo.lock", "/vocabulary/", "/fixtures/", "/catalogue/", "/models/", "/tests/parity/")

PLANTED = {"justfile": (("# Format Rust code.", "#" * 101, "justfile:"),)}


def findings(root):
    for name in sources.tracked(root, *ENDINGS):
        if any(part in name for part in DATA) and not name.endswith(".rs"):
            continue
        for number, line in enumerate((root / name).read_text().splitlines(), start=1):
            if len(line) > COLUMNS:
                yield f"{name}:{number}: {len(line)} columns"
