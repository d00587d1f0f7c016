"""The same questions to faiss and to the table library, each set so that it is as quick as it can
be with the recall that is asked of everybody."""

import json
import time
from collections import namedtuple

import numpy as np

from searches.truth import recall

LEAST_RECALL = 0.98
TOP = 10
# Rows that train faiss's clusters and codes.
TRAINING = 100_000
FAISS = [(nprobe, factor) for nprobe in (16, 24, 32, 48, 64, 96, 128) for factor in (10, 20, 40)]
# The library's own default is twenty partitions, and no refinement.
LANCEDB = [(nprobes, refine) for nprobes in (10, 20, 40, 80, 160) for refine in (2, 5, 20)]

Chosen = namedtuple("Chosen", "setting recall p50_s")


class Faiss:
    """Inverted lists of product-quantised codes, and the exact vectors of the best of them; in
    memory, with one thread."""

    def __init__(self, generated, say):
        import faiss

        self.faiss = faiss
        data, file = generated, generated.folder / "faiss.index"
        lists = 2048 if data.rows >= 500_000 else max(16, int(data.rows**0.5) // 16 * 16)
        # As many bytes of codes as the vector has values, up to 64.
        self.form = f"IVF{lists},PQ{min(64, data.dim // 2)}x8"
        if not file.exists():
            say(f"training faiss: {self.form}")
            coded = faiss.index_factory(data.dim, self.form, faiss.METRIC_INNER_PRODUCT)
            rng = np.random.default_rng(data.seed)
            some = rng.choice(data.rows, min(TRAINING, data.rows), replace=False)
            coded.train(np.asarray(data.vectors[np.sort(some)]))
            for begin in range(0, data.rows, 100_000):
                coded.add(np.asarray(data.vectors[begin : begin + 100_000]))
            faiss.write_index(coded, str(file))
        self.coded = faiss.read_index(str(file))
        whole = np.ascontiguousarray(data.vectors)
        self.index = faiss.IndexRefineFlat(self.coded, faiss.swig_ptr(whole))
        self.queries = np.asarray(data.queries)

    def ask(self, numbers, setting):
        """Seconds and rows found for each vector, one after the other."""
        self.coded.nprobe, self.index.k_factor = setting
        self.faiss.omp_set_num_threads(1)
        took, found = [], []
        for number in numbers:
            vector = self.queries[number : number + 1]
            begun = time.perf_counter()
            _, rows = self.index.search(vector, TOP)
            took.append(time.perf_counter() - begun)
            found.append(rows[0].tolist())
        return took, found


class LanceDb:
    """The table library with the index that `ingest` makes, on the same store, in a process of its
    own."""

    def __init__(self, generated, tables):
        self.generated, self.tables = generated, tables

    def ask(self, numbers, setting):
        first, count = numbers[0], len(numbers)
        answer = json.loads(self.tables.run("ask", self.generated.raw, first, count, *setting))
        rows = [[self.generated.row_of(each) for each in ids] for ids in answer["ids"]]
        return answer["took_s"], rows


def choose(asked, settings, numbers, truth, say, about):
    """The quickest setting with enough recall; if none has, the one with the highest."""
    tried = []
    for setting in settings:
        took, found = asked.ask(numbers, setting)
        right = recall(found, [truth.nearest(number) for number in numbers])
        tried.append(Chosen(setting, right, float(np.median(took))))
    enough = [each for each in tried if each.recall >= LEAST_RECALL]
    quickest, best = (lambda each: each.p50_s), (lambda each: each.recall)
    best = min(enough, key=quickest) if enough else max(tried, key=best)
    say(
        f"{about}: {best.setting} with recall {best.recall:.3f} in {best.p50_s * 1000:.2f} ms, "
        f"of {len(tried)} settings"
    )
    return best
