"""A small model of any dimension with random weights, so that tables of generated vectors can be
searched by words too.

Its image tower means nothing. Its text tower maps the words of the demo's tokenizer to a mixture of
generated clusters: the best picture has a cosine of about 0.3 to a text, six standard deviations
above the mean, as with a real CLIP, and two alike pictures have 0.55.
"""

import hashlib
import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from chain import stack

SIDE, TOKENS, OPSET = 32, 24, 18
# The standard deviation of the logits over clusters.
SHARPNESS = 1.2
DEMO = stack.ROOT / "crates" / "inference" / "models" / "demo-clip"

MANIFEST = """\
# Written by infra/measure/bench/searches/small_clip.py.
id = "{name}"
space = "{name}"
dim = {dim}
licence = "Apache-2.0"
origin = "infra/measure/bench/searches/small_clip.py"
{files}
[image]
input = "pixel_values"
outputs = ["image_embeds"]
width = {side}
height = {side}
resize = "squash"
filter = "bicubic"
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]

[text]
input = "input_ids"
outputs = ["text_embeds"]
max_len = {tokens}
pad_to = {tokens}
pad_id = 1

[score]
kind = "none"
"""
FILE = """
[[files]]
path = "{path}"
role = "{role}"
bytes = {bytes}
sha256 = "{sha256}"
"""


def write(folder, name, centres, seed):
    """Writes the model's folder; returns the hash of its manifest, which names its vectors."""
    dim = centres.shape[1]
    rng = np.random.default_rng(seed)
    tokenizer = (DEMO / "tokenizer.json").read_bytes()
    contents = {
        ("image", "onnx/vision_model.onnx"): vision(dim, rng),
        ("text", "onnx/text_model.onnx"): text(centres, json.loads(tokenizer), rng),
        ("tokenizer", "tokenizer.json"): tokenizer,
    }
    files = ""
    for (role, path), content in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        files += FILE.format(role=role, path=path, bytes=len(content), sha256=sha256)
    manifest = MANIFEST.format(name=name, dim=dim, files=files, side=SIDE, tokens=TOKENS)
    (folder / "model.toml").write_text(manifest)
    return hashlib.sha256(manifest.encode()).hexdigest()


def vision(dim, rng):
    values = 3 * SIDE * SIDE
    weights = rng.standard_normal((values, dim), dtype=np.float32) / np.float32(values**0.5)
    nodes = [
        helper.make_node("Flatten", ["pixel_values"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["image_embeds"]),
    ]
    pixels = helper.make_tensor_value_info(
        "pixel_values", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE]
    )
    return model(nodes, pixels, ("image_embeds", dim), {"weights": weights})


def text(centres, tokenizer, rng):
    """Tokens vote for clusters; the vector is the mean of the centres by their votes' softmax."""
    tokens = len(tokenizer["model"]["vocab"]) + len(tokenizer["added_tokens"])
    votes = rng.standard_normal((tokens, len(centres)), dtype=np.float32)
    # Begin, end and padding are in every text and say nothing.
    votes[[token["id"] for token in tokenizer["added_tokens"]]] = 0
    weights = {
        "votes": votes,
        "axes": np.array([1], np.int64),
        "sharpness": np.full(len(centres), SHARPNESS, np.float32),
        "zeros": np.zeros(len(centres), np.float32),
        "centres": (centres / np.float32(centres.shape[1] ** 0.5)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Gather", ["votes", "input_ids"], ["each"], axis=0),
        helper.make_node("ReduceSum", ["each", "axes"], ["sum"], keepdims=0),
        helper.make_node("LayerNormalization", ["sum", "sharpness", "zeros"], ["logits"], axis=-1),
        helper.make_node("Softmax", ["logits"], ["shares"], axis=-1),
        helper.make_node("MatMul", ["shares", "centres"], ["text_embeds"]),
    ]
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", TOKENS])
    return model(nodes, ids, ("text_embeds", centres.shape[1]), weights)


def model(nodes, taken, given, weights):
    name, dim = given
    vectors = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", dim])
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "small_clip", [taken], [vectors], constants)
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(whole, full_check=True)
    return whole.SerializeToString()
