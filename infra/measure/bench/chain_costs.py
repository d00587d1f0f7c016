"""Measures the real chain with one embedder, and what its computing costs alone.

    just bench chain [--profile release|dev] [--images N] [--photos N] [--quick]

Prints a table and writes all numbers to .dev/bench/home/result.json. Everything runs in
.dev/bench/home, which is emptied first.
"""

import argparse
import datetime
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections import Counter, namedtuple
from pathlib import Path

import latency
import outcome
import photos
import report
import session
import usage
import vit_b32
from chain import DEV_SCRIPTS, Chain, Model, stack

BENCH = stack.DEV / "bench"
HOME = BENCH / "home"
DRAWN, PHOTOS = HOME / "pictures", BENCH / "photos"
FP32, INT8 = BENCH / "vit-b32", BENCH / "vit-b32-int8"
Part = namedtuple("Part", "model pictures about")
PARTS = (
    Part(Model("demo-clip", "demo-clip", "demo model"), DRAWN, "drawn, 384 to 640 pixels a side"),
    Part(Model(vit_b32.ID, str(FP32), "ViT-B/32 size, fp32"), PHOTOS, "photographs, 12 megapixels"),
    Part(
        Model(vit_b32.INT8_ID, str(INT8), "ViT-B/32 size, int8"),
        PHOTOS,
        "photographs, 12 megapixels",
    ),
)
SEARCHES = 200
# As many different pictures as a model with 8-bit weights must be compared on.
GATE = 512
# The goal: the whole embedder takes at most so many times what computing alone takes.
MOST_RATIO = 1.10


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", choices=("release", "dev"), default="release")
    parser.add_argument("--images", type=int, default=300, help="drawn ones")
    parser.add_argument("--photos", type=int, default=200, help="photographs of 12 megapixels")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one round, few uploads: shows that it works, not how fast",
    )
    arguments = parser.parse_args()
    homes = [HOME / part.model.id for part in PARTS]
    result = session.run(lambda: measure(arguments), HOME, homes)
    print(report.table(result["models"], result["waits"]))
    print("\n" + report.conditions(result["about"]))
    outcome.print_line("chain", *figures(result))


def figures(result):
    models = {
        model["id"]: {
            "images_per_s": model["chain"]["images_per_s"],
            "embedder_cpu_s": model["chain"]["cpu_s"]["embedder"],
            "ratio": model["ratio"],
            "embedder_peak_bytes": model["peak_memory_bytes"]["embedder"],
        }
        for model in result["models"]
    }
    met = {
        f"ratio of {name} at most {MOST_RATIO}": model["ratio"] <= MOST_RATIO
        for name, model in models.items()
    }
    return {"about": result["about"], "models": models, "waits": result["waits"]}, met


def measure(arguments):
    programs = session.build(arguments.profile, "--example", "alone")
    vit_b32.write(FP32)
    vit_b32.write_int8(INT8, FP32)
    puts, rounds = (5, 1) if arguments.quick else (20, 3)
    captions = draw(DRAWN, arguments.images, 1)
    keys = {
        DRAWN: [caption["key"] for caption in captions],
        PHOTOS: photos.write(PHOTOS, arguments.photos),
    }
    # One more than is counted, for each of two ways.
    late = [caption["key"] for caption in draw(HOME / "late", 2 * (puts + 1), 2)]
    texts = [captions[number % len(captions)]["en"] for number in range(SEARCHES)]
    near = gate(programs)

    parts, waits = [], None
    for part in PARTS:
        measured = []
        for number in range(rounds):
            say(f"{part.model.title}, round {number + 1} of {rounds}")
            shutil.rmtree(HOME / part.model.id, ignore_errors=True)
            chain = Chain(HOME / part.model.id, programs, part.model)
            chain_costs = chain.measure_embedding(part.pictures, keys[part.pictures])
            peaks = [chain.peak_memory()]
            # Measured once, with the first model; the others know no words.
            if waits is None:
                waits = latency.measure(chain, HOME / "late", late, texts)
                peaks.append(chain.peak_memory())
            stack.down(chain.home)
            costs_alone = alone(programs, part, seconds=2 if arguments.quick else 5)
            measured.append(
                {
                    "chain": chain_costs,
                    "alone": costs_alone,
                    "peak_memory_bytes": combine(peaks, max),
                }
            )
        parts.append(summary(part, measured))
    first = parts[0]["alone"]
    about = {
        "processor": usage.processor(),
        "cores": usage.cores(),
        "profile": arguments.profile,
        "batch": int(first["batch"]),
        "threads": int(first["threads"]),
        "pictures": f"{kind(DRAWN, keys[DRAWN])}, {kind(PHOTOS, keys[PHOTOS])}",
        "gate": near,
        "rounds": "one round" if rounds == 1 else f"medians of {rounds} rounds",
        "date": datetime.date.today().isoformat(),
    }
    return {"about": about, "models": parts, "waits": waits}


def gate(programs):
    """Compares the 8-bit model with the other one: without that the embedder does not serve it."""
    pictures = HOME / "gate"
    draw(pictures, GATE, 3)
    command = [programs / "embedder", "models", "gate", INT8, "--against", FP32]
    command += ["--pictures", pictures]
    env = {**os.environ, **stack.onnxruntime()}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()[0]


def draw(folder, count, seed):
    script = DEV_SCRIPTS / "demo" / "pictures.py"
    command = [sys.executable, script, folder, "--count", str(count), "--seed", str(seed)]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return json.loads((folder / "captions.json").read_text(encoding="utf-8"))


def alone(programs, part, seconds):
    """Costs of ONNX Runtime, decoding and so on without the chain, in the embedder's batches."""
    command = [programs / "examples" / "alone", part.model.name, part.pictures, "0", str(seconds)]
    env = {**os.environ, **stack.onnxruntime()}
    return json.loads(subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True).stdout)


def summary(part, measured):
    """Medians over the rounds; the largest peak."""
    model = part.model
    result = {"id": model.id, "title": model.title, "pictures": part.about, "rounds": measured}
    result |= combine(measured, statistics.median)
    result["peak_memory_bytes"] = combine([each["peak_memory_bytes"] for each in measured], max)
    ceiling = result["alone"]["encode_cpu_s"] + result["alone"]["decode_resize_cpu_s"]
    result["ratio"] = result["chain"]["cpu_s"]["embedder"] / ceiling
    rate, ratio = result["chain"]["images_per_s"], result["ratio"]
    say(f"{model.title}: {rate:.1f} pictures/s, ratio {ratio:.2f}")
    return result


def combine(values, how):
    """One value, or one dictionary of the same shape, from several."""
    if isinstance(values[0], dict):
        return {name: combine([value[name] for value in values], how) for name in values[0]}
    return how(values)


def kind(folder, keys):
    endings = Counter(Path(key).suffix[1:].upper() for key in keys)
    mean = sum((folder / key).stat().st_size for key in keys) / len(keys)
    formats = ", ".join(f"{count} {name}" for name, count in endings.most_common())
    return f"{len(keys)} pictures ({formats}; {mean / 1000:.0f} kB on average)"


def say(text):
    print(text, file=sys.stderr, flush=True)
