"""Generated rows: filled into tables once, found again by later runs, and known to this program.

Everything is below .dev/bench-rows, in a folder per number of rows, dimension and seed: the store
with the tables, the model, and the plain files of crates/table/examples/rows/raw.rs. Measurements
work on a copy whose files are links, so what they write does not stay.
"""

import json
import os
import shutil
import time
from functools import cached_property

import numpy as np

from chain import stack
from searches import small_clip
from searches.rows import Tables

ROOT = stack.DEV / "bench-rows"
CLUSTERS = 2000
# Another number makes later runs fill the tables anew.
FORM = 1


class Generated:
    def __init__(self, rows, dim, seed):
        self.rows, self.dim, self.seed = rows, dim, seed
        self.folder = ROOT / f"{rows}x{dim}-{seed}"
        self.raw, self.model = self.folder / "raw", self.folder / "model"
        self.name = f"bench-clip-{dim}"
        self.filled = self.folder / "filled.json"

    def fill(self, programs, say):
        """Fills the tables unless a former run has."""
        if self.filled.exists() and json.loads(self.filled.read_text())["form"] == FORM:
            say(f"using the tables of {self.folder}")
            return
        say(f"filling {self.rows:,} rows of {self.dim} values into {self.folder}")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.raw.mkdir(parents=True)
        rng = np.random.default_rng(self.seed)
        centres = rng.standard_normal((CLUSTERS, self.dim), dtype=np.float32)
        centres.tofile(self.raw / "centres.f32")
        digest = small_clip.write(self.model, self.name, centres, self.seed)
        begun = time.monotonic()
        try:
            stack.start_store(self.folder, programs)
            tables = Tables(programs, self.folder, self.name, digest, self.dim)
            tables.run("fill", self.raw, self.rows, self.seed)
        finally:
            stack.down(self.folder)
        done = {"form": FORM, "digest": digest, "filled_s": time.monotonic() - begun}
        self.filled.write_text(json.dumps(done))

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def link_store(self, home):
        """Makes the store of `home` a copy; no file of a store is ever changed in its place."""
        shutil.rmtree(home / "store", ignore_errors=True)
        shutil.copytree(
            self.folder / "store",
            home / "store",
            copy_function=os.link,
            ignore=shutil.ignore_patterns(".lock", ".incoming"),
        )

    def tables(self, programs, home):
        """The tables of the running store of `home`."""
        return Tables(programs, home, self.name, self.about["digest"], self.dim)

    @cached_property
    def about(self):
        """Names and ranges that filters need, and how long filling took."""
        written = json.loads((self.raw / "about.json").read_text())
        return {**written, **json.loads(self.filled.read_text())}

    @cached_property
    def texts(self):
        """Different texts to ask, in an order of their own."""
        texts = json.loads((self.raw / "texts.json").read_text(encoding="utf-8"))
        np.random.default_rng(self.seed).shuffle(texts)
        return texts

    @cached_property
    def vectors(self):
        return self.column("vectors.f32", np.float32, self.dim)

    @cached_property
    def queries(self):
        """Vectors to ask: of the same clusters, and of no row."""
        return self.column("queries.f32", np.float32, self.dim)

    @cached_property
    def ids(self):
        """The first half of the id of every row."""
        return np.fromfile(self.raw / "ids.u64", np.uint64)

    @cached_property
    def order(self):
        return np.argsort(self.ids)

    def row_of(self, image_id):
        """The number of the row with this id; None if it is not one of these rows."""
        first = np.uint64(int(image_id[:16], 16))
        place = np.searchsorted(self.ids, first, sorter=self.order)
        row = self.order[place] if place < len(self.order) else None
        return int(row) if row is not None and self.ids[row] == first else None

    def column(self, name, kind, width=None):
        values = np.memmap(self.raw / name, kind, mode="r")
        return values.reshape(-1, width) if width else values
