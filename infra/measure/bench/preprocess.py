"""Measures the way from a file to a 224 px tensor: ours, Pillow's and the `image` crate's.

    just bench preprocess [--profile release|dev] [--rounds N] [--quick]

Each program runs in a process with one thread; they take turns, round by round, on the same file.
Memory is the peak of resident memory (VmHWM) above that of the same process before it decoded
anything. Prints a table and writes all numbers to .dev/bench/preprocess.json.

The pictures are mosaics of photographs (photos.py). The JPEG files have quality 90.
"""

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import outcome
import photos
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
DEV = ROOT / ".dev"
HOME = DEV / "bench" / "preprocess"
SIDE = 224
# Megapixels, as cameras have them: width and height.
SIZES = {"0.5 MP": (816, 612), "3 MP": (2048, 1536), "12 MP": (4000, 3000), "48 MP": (8000, 6000)}
KINDS = {
    "JPEG 4:2:0": ("jpg", {"quality": 90, "subsampling": "4:2:0"}),
    "JPEG progressive": (
        "progressive.jpg",
        {"quality": 90, "subsampling": "4:2:0", "progressive": True},
    ),
    "PNG": ("png", {"compress_level": 6}),
    "WebP": ("webp", {"quality": 90, "method": 2}),
}
PROGRAMS = ("reduced", "whole", "pillow", "image")


def main():
    shutil.which("cargo") or sys.exit("cargo is missing; install Rust from rustup.rs")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", choices=("release", "dev"), default="release")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--quick", action="store_true", help="up to 12 MP, three rounds: shows that it works"
    )
    arguments = parser.parse_args()
    rounds = 3 if arguments.quick else arguments.rounds
    sizes = {
        name: size for name, size in SIZES.items() if not (arguments.quick and name == "48 MP")
    }

    program = build(arguments.profile)
    HOME.mkdir(parents=True, exist_ok=True)
    model = write_model()
    results = []
    for size, dimensions in sizes.items():
        for kind in KINDS:
            file = picture(size, dimensions, kind)
            result = {
                "size": size,
                "kind": kind,
                "file_bytes": file.stat().st_size,
                **measure(program, model, file, rounds),
            }
            results.append(result)
            print(f"{size} {kind} is measured", file=sys.stderr)
    about = {
        "profile": arguments.profile,
        "rounds": rounds,
        "pillow": Image.__version__,
        "results": results,
    }
    (HOME.parent / "preprocess.json").write_text(json.dumps(about, indent=1) + "\n")
    print(table(results))
    outcome.print_line("preprocess", about)


def build(profile):
    command = ["cargo", "build", "--workspace", "--example", "preprocess", "--profile", profile]
    subprocess.run(command, check=True, cwd=ROOT)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / ("debug" if profile == "dev" else profile) / "examples" / "preprocess"


def write_model():
    """A model of one node, so that only preprocessing is measured."""
    from onnx import TensorProto, helper

    folder = HOME / "model"
    folder.mkdir(exist_ok=True)
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])
    colours = helper.make_tensor_value_info("colours", TensorProto.FLOAT, ["batch", 3])
    node = helper.make_node("ReduceMean", ["pixels"], ["colours"], axes=[2, 3], keepdims=0)
    graph = helper.make_graph([node], "image", [pixels], [colours])
    built = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    ).SerializeToString()
    (folder / "image.onnx").write_bytes(built)
    (folder / "model.toml").write_text(
        f"""id = "nothing"
space = "nothing"
dim = 3
licence = "Apache-2.0"

[[files]]
path = "image.onnx"
role = "image"
bytes = {len(built)}
sha256 = "{hashlib.sha256(built).hexdigest()}"

[image]
input = "pixels"
outputs = ["colours"]
width = {SIDE}
height = {SIDE}
resize = "squash"
filter = "bicubic"
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]
"""
    )
    return folder


def picture(size, dimensions, kind):
    suffix, options = KINDS[kind]
    path = HOME / f"{size.replace(' ', '')}.{suffix}"
    if not path.exists():
        draft = path.with_name(f"draft.{suffix}")
        photos.mosaic(dimensions).save(draft, **options)
        draft.rename(path)
    return path


def measure(program, model, file, rounds):
    commands = {
        name: [str(program), str(model), name, str(file), str(HOME / f"{name}.f32")]
        for name in PROGRAMS
    }
    commands["pillow"] = [sys.executable, __file__, str(file), str(HOME / "pillow.f32")]
    # Keeps the libraries at one thread.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
    environment.setdefault("ORT_DYLIB_PATH", str(DEV / "onnxruntime" / "libonnxruntime.so"))
    pipe = subprocess.PIPE
    running = {
        name: subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True)
        for name, command in commands.items()
    }
    answers = {name: [] for name in PROGRAMS}
    for number in range(rounds):
        # Another program starts each round, so that none is always the first to read the file.
        for name in PROGRAMS[number % len(PROGRAMS) :] + PROGRAMS[: number % len(PROGRAMS)]:
            running[name].stdin.write("\n")
            running[name].stdin.flush()
            answers[name].append(json.loads(running[name].stdout.readline()))
    for name, process in running.items():
        process.stdin.close()
        if process.wait() != 0:
            raise SystemExit(f"{name} failed on {file}")
    result = {}
    for name, answer in answers.items():
        # The first round runs cold, so its time does not count; it shows the memory of one decode.
        warm = [line["ms"] for line in answer[1:]] or [answer[0]["ms"]]
        result[name] = {"ms": statistics.median(warm), "peak_bytes": answer[0]["peak_bytes"]}
    whole = tensor("whole")
    for name in ("reduced", "pillow", "image"):
        result[name]["psnr_db"] = psnr(tensor(name), whole)
    return result


def tensor(name):
    return np.fromfile(HOME / f"{name}.f32", dtype="<f4").astype(np.float64)


def psnr(ours, theirs):
    error = float(np.mean((ours - theirs) ** 2))
    return 10 * float(np.log10(1 / error)) if error else None


def pillow(file, into):
    """Pillow's side of the comparison, in a process of its own: one round per line of input."""
    np.zeros((3, SIDE, SIDE), np.float32).tobytes()
    before = peak_bytes()
    values = None
    for _ in sys.stdin:
        begun = time.perf_counter()
        small = Image.open(file).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        values = np.ascontiguousarray(
            np.asarray(small, np.float32).transpose(2, 0, 1)
        ) / np.float32(255)
        ms = (time.perf_counter() - begun) * 1000
        print(json.dumps({"ms": ms, "peak_bytes": peak_bytes() - before}), flush=True)
    values.astype("<f4").tofile(into)


def peak_bytes():
    with open("/proc/self/status") as status:
        [line] = [line for line in status if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def table(results):
    times = "ours | Pillow | `image` | faster than Pillow"
    memory = "memory: ours | Pillow | `image` | less than Pillow"
    lines = [f"| picture | file | {times} | {memory} | PSNR |", "|---|" + 10 * "---:|"]
    for result in results:
        ours, pil, crate = result["reduced"], result["pillow"], result["image"]
        quality = "same" if ours["psnr_db"] is None else f"{ours['psnr_db']:.1f} dB"
        cells = [
            f"{result['size']} {result['kind']}",
            f"{result['file_bytes'] / 2**20:.1f} MiB",
            *(f"{program['ms']:.1f} ms" for program in (ours, pil, crate)),
            f"{pil['ms'] / ours['ms']:.1f} ×",
            *(f"{program['peak_bytes'] / 2**20:.1f} MiB" for program in (ours, pil, crate)),
            f"{pil['peak_bytes'] / max(ours['peak_bytes'], 1):.1f} ×",
            quality,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    pillow(*sys.argv[1:])
