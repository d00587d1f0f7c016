"""Writes the trained captioner: two graphs, the demo model's tokenizer and `model.toml`."""

import shutil

import numpy as np
import torch

from captioner import MAX_TOKENS, PROMPTS, no_past
from captioner_manifest import DECODER, ENCODER, TOKENIZER, write_manifest
from export import LARGEST_DIFFERENCE, name_axes, run, save, session, to_onnx
from samples import MEAN, STD
from tokens import END_ID
from towers import PIXELS
from vision_tokens import TOKENS, with_head

ABOUT = (
    "The built-in demo captioner: it describes the pictures that the demo draws, in English",
    "and Chinese, and knows ten cartoon objects in eight colours at five places. On real",
    "photographs its sentences mean nothing. Trained and exported by",
    "infra/train/demo/train_captioner.py; every new export changes sizes and digests below.",
)
BATCH, CROSS = {0: "batch"}, {1: "batch"}


def export_captioner(out, vision, cross_keys, decoder, clip):
    """Write every file below `out`, then check ONNX Runtime against PyTorch."""
    example = np.random.default_rng(0).uniform(-1, 1, (5, 3, PIXELS, PIXELS)).astype(np.float32)
    tokens = torch.from_numpy(run(session(vision.SerializeToString()), example))

    head = to_onnx(cross_keys, [tokens], {TOKENS: BATCH}, {"cross_kv": CROSS})
    encoder = with_head(vision, head)
    name_axes(encoder, {"pixel_values": BATCH, "cross_kv": CROSS})
    save(encoder, out / ENCODER)

    steps = decoding(cross_keys, decoder, tokens)
    inputs = {
        "input_ids": {0: "batch", 1: "new"},
        "position_ids": {1: "new"},
        "past_kv": {1: "batch", 3: "past"},
        "cross_kv": CROSS,
    }
    outputs = {"logits": BATCH, "present_kv": {1: "batch", 3: "present"}}
    save(to_onnx(decoder, steps[1][0], inputs, outputs), out / DECODER)

    shutil.copyfile(clip / TOKENIZER, out / TOKENIZER)
    check_encoder(out / ENCODER, example, steps[0][0][3])
    check_decoder(out / DECODER, steps)
    write_manifest(
        out,
        ABOUT,
        {
            "id": "demo-captioner",
            "licence": "Apache-2.0",
            "demo": True,
            "origin": "infra/train/demo/train_captioner.py",
        },
        {
            "width": PIXELS,
            "height": PIXELS,
            "resize": "squash",
            "filter": "bicubic",
            "mean": [MEAN] * 3,
            "std": [STD] * 3,
        },
        {"max_tokens": MAX_TOKENS, "end": END_ID},
        PROMPTS,
    )


@torch.no_grad()
def decoding(cross_keys, decoder, tokens):
    """Inputs and outputs of three steps: two tokens without past, two with a past of two, one."""
    cross = cross_keys(tokens)
    past, position, steps = no_past(len(tokens)), 0, []
    generator = torch.Generator().manual_seed(0)
    for new in (2, 2, 1):
        ids = torch.randint(4, 500, (len(tokens), new), generator=generator)
        inputs = (ids, torch.arange(position, position + new)[None], past, cross)
        outputs = decoder(*inputs)
        steps.append((inputs, outputs))
        past, position = outputs[1], position + new
    return steps


def check_encoder(file, example, cross):
    graph = session(file)
    for count in (1, len(example)):
        check(f"{file.name}, batch {count}", run(graph, example[:count]), cross[:, :count].numpy())


def check_decoder(file, steps):
    graph = session(file)
    for inputs, outputs in steps:
        for count in (1, len(inputs[0])):
            ids, places, past, cross = inputs
            fed = {
                "input_ids": ids[:count],
                "position_ids": places,
                "past_kv": past[:, :count],
                "cross_kv": cross[:, :count],
            }
            got = graph.run(
                ["logits", "present_kv"], {name: value.numpy() for name, value in fed.items()}
            )
            name = f"{file.name}, batch {count}, {ids.shape[1]} tokens after {past.shape[3]}"
            check(f"{name}, logits", got[0], outputs[0][:count].numpy())
            check(f"{name}, present_kv", got[1], outputs[1][:, :count].numpy())


def check(name, got, expected):
    difference = np.abs(got - expected).max() if got.shape == expected.shape else np.inf
    print(f"{name}: largest difference to PyTorch {difference:.1e}")
    if difference > LARGEST_DIFFERENCE:
        raise RuntimeError(f"{name}: the graph does not compute what PyTorch computes")
