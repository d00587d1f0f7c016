"""Measures the real chain with one embedder, and what its computing costs alone. Run it through `just bench`.

    infra/bench/bench.py [--profile release|dev] [--images N] [--quick]

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
import tomllib
from collections import Counter
from pathlib import Path

import latency
import report
import session
import usage
import vit_b32
from chain import INFRA, Chain, Model, stack

BENCH = stack.DEV / "bench"
HOME = BENCH / "home"
MODELS = (
    Model("demo-clip", "demo-clip", "demo model"),
    Model(vit_b32.ID, str(BENCH / "vit-b32"), "ViT-B/32 size, random weights"),
)
SEARCHES = 200


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=("release", "dev"), default="release")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--quick", action="store_true", help="one round, few uploads: shows that it works, not how fast")
    arguments = parser.parse_args()
    homes = [HOME / model.id for model in MODELS]
    result = session.run(lambda: measure(arguments), HOME, homes)
    print(report.table(result["models"], result["waits"]))
    print("\n" + report.conditions(result["about"]))


def measure(arguments):
    programs = session.build(arguments.profile, "--example", "alone")
    vit_b32.write(Path(MODELS[1].name))
    puts, rounds = (5, 1) if arguments.quick else (20, 3)
    captions = draw(HOME / "pictures", arguments.images, 1)
    keys = [caption["key"] for caption in captions]
    # For each of two ways one more than is counted.
    late = [caption["key"] for caption in draw(HOME / "late", 2 * (puts + 1), 2)]
    texts = [captions[number % len(captions)]["en"] for number in range(SEARCHES)]

    models, waits = [], None
    for model in MODELS:
        measured = []
        for number in range(rounds):
            say(f"{model.title}, round {number + 1} of {rounds}")
            shutil.rmtree(HOME / model.id, ignore_errors=True)
            chain = Chain(HOME / model.id, programs, model)
            chain_costs, peaks = chain.measure_embedding(HOME / "pictures", keys), [chain.peak_memory()]
            # Once is enough, and the other model knows no words.
            if waits is None:
                waits = latency.measure(chain, HOME / "late", late, texts)
                peaks.append(chain.peak_memory())
            stack.down(chain.home)
            costs_alone = alone(programs, model, seconds=2 if arguments.quick else 5)
            measured.append({"chain": chain_costs, "alone": costs_alone, "peak_memory_bytes": combine(peaks, max)})
        models.append(summary(model, measured))
    first = models[0]["alone"]
    about = {
        "processor": usage.processor(),
        "cores": usage.cores(),
        "profile": arguments.profile,
        "batch": int(first["batch"]),
        "threads": int(first["threads"]),
        "pictures": kind(HOME / "pictures", keys),
        "rounds": "one round" if rounds == 1 else f"medians of {rounds} rounds",
        "date": datetime.date.today().isoformat(),
    }
    return {"about": about, "models": models, "waits": waits}


def draw(folder, count, seed):
    script = INFRA / "demo" / "pictures.py"
    command = [sys.executable, script, folder, "--count", str(count), "--seed", str(seed)]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return json.loads((folder / "captions.json").read_text(encoding="utf-8"))


def alone(programs, model, seconds):
    """What ONNX Runtime, decoding and so on take without the chain, with the embedder's batch."""
    settings = tomllib.loads((stack.ROOT / "embedder" / "settings.toml").read_text(encoding="utf-8"))
    batch = settings["models"]["max_batch"]
    command = [programs / "examples" / "alone", model.name, HOME / "pictures", str(batch), str(seconds)]
    env = {**os.environ, **stack.onnxruntime()}
    return json.loads(subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True).stdout)


def summary(model, measured):
    """Medians over the rounds; the largest peak."""
    result = {"id": model.id, "title": model.title, "rounds": measured, **combine(measured, statistics.median)}
    result["peak_memory_bytes"] = combine([each["peak_memory_bytes"] for each in measured], max)
    ceiling = result["alone"]["encode_cpu_s"] + result["alone"]["decode_resize_cpu_s"]
    result["ratio"] = result["chain"]["cpu_s"]["embedder"] / ceiling
    say(f"{model.title}: {result['chain']['images_per_s']:.1f} pictures/s, ratio {result['ratio']:.2f}")
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
    return f"{len(keys)} drawn pictures, 384 to 640 pixels a side ({formats}; {mean / 1000:.0f} kB on average)"


def say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
