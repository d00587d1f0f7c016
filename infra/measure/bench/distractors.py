"""Rows of scenes that no search with a known answer asks for, so that the answers stay right while
the tables are as large as real ones.

Their vectors are the demo model's for drawn pictures of these scenes, mixed within each scene, so
that no two rows are alike. Their captions are the captioner's sentences; their keys hold words that
nobody asks for.
"""

import hashlib
import json

import numpy as np

import operate
from captions import CHINESE, ENGLISH, KEYWORDS, sentence
from chain import Search, processes, stack, wait_for
from scenes import SCENES, render, seeded
from searches.rows import Tables

MODEL = stack.ROOT / "crates" / "inference" / "models" / "demo-clip"
ID, DIM, SIDE, TOKENS = "demo-clip", 128, 64, 24
# Drawn pictures of each scene, and their size. The model sees 64 pixels a side.
VIEWS, SIZE = 4, (384, 288)
# Length of what a vector differs by beyond the mixture; a vector has length 1.
NOISE = 0.02
FEWEST_SCENES = 50
SYLLABLES = [a + b for a in "bdfgklmnprtvz" for b in "aeiou"]
BATCH = 64


def add(chain, folder, queries, count, say):
    """Adds so many rows to the tables of a running chain. Its workers end first: `ingest` would
    remove rows of objects that are not in the bucket. Returns the number of scenes."""
    for service in ("ingest", "embedder", "captioner"):
        operate.stop(chain, service)
    scenes = others(queries)
    if len(scenes) < FEWEST_SCENES:
        processes.fail(f"only {len(scenes)} scenes are asked for by no search")
    say(f"making {count:,} rows of {len(scenes)} other scenes")
    folder.mkdir(parents=True)
    write(folder, scenes, count)
    digest = hashlib.sha256((MODEL / "model.toml").read_bytes()).hexdigest()
    search = Search(stack.address(chain.home, "searcher"))
    before = search.rows(f"embeddings_{ID}")
    Tables(chain.programs, chain.home, ID, digest, DIM).run("add", folder)
    wait_for(before + count, lambda: min(search.rows("embeddings_"), search.captioned()))
    return len(scenes)


def others(queries):
    """The scenes that are a right answer to no search by meaning. Searches by words, and by both,
    ask for words of a key, which these rows lack."""
    asked = [set(query.values) for query in queries if query.values]
    return [scene for scene in SCENES if not any(each <= set(scene.attributes()) for each in asked)]


def write(folder, scenes, count):
    rng = np.random.default_rng(1)
    views, said = pictures(scenes), texts([sentence(scene, "en") for scene in scenes])
    chosen = rng.integers(len(scenes), size=count)
    shares = rng.dirichlet(np.ones(VIEWS), count).astype(np.float32)
    mixed = np.einsum("rv,rvd->rd", shares, views[chosen])
    noise = rng.standard_normal((count, DIM), dtype=np.float32) * np.float32(NOISE / DIM**0.5)
    unit(unit(mixed) + noise).tofile(folder / "pictures.f32")
    said[chosen].tofile(folder / "captions.f32")
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as lines:
        for number, place in enumerate(chosen):
            row = described(scenes[place], number, seeded("distractor", number))
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")


def described(scene, number, rng):
    def word():
        return "".join(rng.choices(SYLLABLES, k=3))

    values = scene.attributes()
    english = [(KEYWORDS.get(value) or ENGLISH[value])[0] for value in values]
    return {
        # No number of a picture with a known answer has six digits.
        "key": f"archive/{word()}-{word()}/IMG_{100_000 + number}-{word()}.jpg",
        "caption": sentence(scene, "en"),
        "language": "en",
        "others": [["zh", sentence(scene, "zh")]],
        "keywords": [*english, *(CHINESE[value][0] for value in values)],
    }


def pictures(scenes):
    """Vectors of drawn pictures: scenes x views x dimension."""
    from PIL import Image

    def pixels(scene, view):
        image = render(scene, seeded("distractor", view, *scene.attributes()), SIZE)
        image = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        values = np.asarray(image, np.float32) / 255
        return ((values - 0.5) / 0.5).transpose(2, 0, 1)

    drawn = np.stack([pixels(scene, view) for scene in scenes for view in range(VIEWS)])
    vectors = run("vision_model.onnx", "pixel_values", drawn)
    return vectors.reshape(len(scenes), VIEWS, DIM)


def texts(sentences):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    tokenizer.enable_truncation(TOKENS)
    tokenizer.enable_padding(pad_id=1, length=TOKENS)
    ids = [each.ids for each in tokenizer.encode_batch(sentences)]
    return run("text_model.onnx", "input_ids", np.array(ids, np.int64))


def run(graph, name, inputs):
    import onnxruntime

    session = onnxruntime.InferenceSession(MODEL / "onnx" / graph)
    parts = [inputs[at : at + BATCH] for at in range(0, len(inputs), BATCH)]
    return unit(np.concatenate([session.run(None, {name: part})[0] for part in parts]))


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
