"""Measures the real chain with one embedder, and what its computing costs alone. Run it through `just bench`.

    infra/measure/bench/bench.py [--profile release|dev] [--images N] [--photos N] [--quick]

Prints a table and writes all numbers to .dev/bench/home/result.json. Everything runs in .dev/bench/home, fresh each time.
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
    # For each of two ways one more than is counted.
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
            chain_costs, peaks = (
                chain.measure_embedding(part.pictures, keys[part.pictures]),
                [chain.peak_memory()],
            )
            # Once is enough, and the other model knows no words.
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
    """A model with 8-bit weights is served only after it was compared; what the command says is part of the result."""
    draw(HOME / "gate", GATE, 3)
    command = [
        programs / "embedder",
        "models",
        "gate",
        INT8,
        "--against",
        FP32,
        "--pictures",
        HOME / "gate",
    ]
    env = {**os.environ, **stack.onnxruntime()}
    return subprocess.run(
        command, env=env, stdout=subprocess.PIPE, text=True, check=True
    ).stdout.splitlines()[0]


def draw(folder, count, seed):
    script = DEV_SCRIPTS / "demo" / "pictures.py"
    command = [sys.executable, script, folder, "--count", str(count), "--seed", str(seed)]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return json.loads((folder / "captions.json").read_text(encoding="utf-8"))


def alone(programs, part, seconds):
    """What ONNX Runtime, decoding and so on take without the chain, with the embedder's batch."""
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
    say(
        f"{model.title}: {result['chain']['images_per_s']:.1f} pictures/s, ratio {result['ratio']:.2f}"
    )
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


if __name__ == "__main__":
    main()
