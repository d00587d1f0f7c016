"""Compares three programs on the same pictures and cores.

    just bench side [--profile release|dev] [--images N] [--rounds N]

They are the whole chain with one embedder, a plain loop of Pillow and ONNX Runtime, and Hugging
Face transformers on PyTorch. The chain and the loop run the same ONNX file, of the size of
ViT-B/32; transformers runs a model of the same shape. All weights are random. The chain also pays
for queue, store and tables; the others read files. Prints a table and writes all numbers to
.dev/bench-side/result.json.
"""

import argparse
import datetime
import json
import shutil
import statistics
import subprocess
import sys
import time

MODEL_ID = "bench-vit-b-32"
SIDE, BATCH = 224, 8
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def main():
    # Imported here, because the other environment lacks these.
    import outcome
    import photos
    import session
    import usage
    import vit_b32
    from chain import Chain, Model, stack

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", choices=("release", "dev"), default="release")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    # Has torch and transformers.
    python = stack.DEV / "side" / "bin" / "python"
    folder, home = stack.DEV / "bench-side", stack.DEV / "bench-side" / "chain"
    pictures = stack.DEV / "bench" / "photos"

    def measure():
        programs = session.build(arguments.profile)
        names = photos.write(pictures, arguments.images)
        model = stack.DEV / "bench" / "vit-b32"
        vit_b32.write(model)
        rounds = []
        for _ in range(arguments.rounds):
            chain = Chain(home, programs, Model(MODEL_ID, str(model), ""))
            ours = chain.measure_embedding(pictures, names)["images_per_s"]
            session.stop([home])
            shutil.rmtree(home)
            files = [str(pictures / name) for name in names]
            rounds.append(
                {
                    "bucketlens": ours,
                    "onnxruntime": child(python, "onnxruntime", model / vit_b32.GRAPH, files),
                    "transformers": child(python, "transformers", "-", files),
                }
            )
            print(rounds[-1], file=sys.stderr, flush=True)
        about = {
            "processor": usage.processor(),
            "cores": usage.cores(),
            "profile": arguments.profile,
            "images": arguments.images,
        }
        return {"about": {**about, "date": datetime.date.today().isoformat()}, "rounds": rounds}

    result = session.run(measure, folder, [home])
    print(table(result))
    outcome.print_line("side", {**result, "images_per_s": medians(result["rounds"])})


def child(python, way, graph, files):
    """Pictures per second of one of the ways below, in another process, without loading."""
    command = [python, __file__, way, str(graph)]
    answer = subprocess.run(
        command, input=json.dumps(files), stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(answer.stdout)["images_per_s"]


def table(result):
    about, rounds = result["about"], result["rounds"]
    median = medians(rounds)
    titles = {
        "bucketlens": "bucketlens, bucket to table",
        "onnxruntime": "Pillow and ONNX Runtime in a loop",
        "transformers": "transformers and PyTorch",
    }
    lines = ["| | pictures per second | ours ÷ this |", "|---|---:|---:|"]
    for name, title in titles.items():
        lines.append(
            f"| {title} | {median[name]:.1f} | {median['bucketlens'] / median[name]:.2f} |"
        )
    condition = (
        f"{about['processor']}, {about['cores']} cores; ViT-B/32 size, fp32, batch {BATCH}; "
        f"{about['images']} photographs of 12 megapixels (JPEG 4:2:0, quality 90); "
        f"{about['profile']} build; medians of {len(rounds)} rounds; {about['date']}."
    )
    return "\n".join(lines) + "\n\n" + condition


def medians(rounds):
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


def way(name, graph):
    """Works through the files named on standard input, batch by batch, and prints how fast."""
    files = json.load(sys.stdin)
    encode = {"onnxruntime": onnxruntime_way, "transformers": transformers_way}[name](graph)
    encode(files[:BATCH])
    begun = time.monotonic()
    for at in range(0, len(files), BATCH):
        encode(files[at : at + BATCH])
    print(json.dumps({"images_per_s": len(files) / (time.monotonic() - begun)}))


def onnxruntime_way(graph):
    """As clip-retrieval and many scripts do it: open, convert, resize, crop, stack, run."""
    import numpy as np
    import onnxruntime
    from PIL import Image

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    mean, std = np.array(MEAN, np.float32), np.array(STD, np.float32)

    def pixels(file):
        picture = Image.open(file).convert("RGB")
        scale = SIDE / min(picture.size)
        picture = picture.resize(
            (int(picture.width * scale), int(picture.height * scale)), Image.Resampling.BICUBIC
        )
        left, top = (picture.width - SIDE) // 2, (picture.height - SIDE) // 2
        values = np.asarray(picture.crop((left, top, left + SIDE, top + SIDE)), np.float32) / 255
        return ((values - mean) / std).transpose(2, 0, 1)

    return lambda files: session.run(
        ["image_embeds"], {"pixel_values": np.stack([pixels(file) for file in files])}
    )[0]


def transformers_way(_):
    """As the documentation of transformers shows it."""
    import torch
    from PIL import Image
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(1)
    model, processor = (
        CLIPVisionModelWithProjection(CLIPVisionConfig()).eval(),
        CLIPImageProcessor(),
    )

    def encode(files):
        with torch.inference_mode():
            inputs = processor(
                images=[Image.open(file).convert("RGB") for file in files], return_tensors="pt"
            )
            return model(**inputs).image_embeds

    return encode


if __name__ == "__main__":
    way(*sys.argv[1:3])
