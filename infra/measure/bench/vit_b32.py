"""An image model with the shape and the cost of CLIP ViT-B/32, and random weights: its vectors mean
nothing.

    infra/measure/bench/vit_b32.py OUT_DIR

A trained model of this size is not ours to ship, and what is measured depends on the shape alone.
350 MB, and 90 MB with 8-bit weights.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ID = "bench-vit-b-32"
INT8_ID = f"{ID}-int8"
SIDE, PATCH, DEPTH, WIDTH, HEADS, MLP, DIM = 224, 32, 12, 768, 12, 3072, 512
PATCHES = (SIDE // PATCH) ** 2
HEAD = WIDTH // HEADS
OPSET = 18
GRAPH = "onnx/vision_model.onnx"

MANIFEST = """\
# Written by infra/measure/bench/vit_b32.py.
id = "{id}"
space = "{space}"
dim = {dim}
precision = "{precision}"
licence = "Apache-2.0"
origin = "infra/measure/bench/vit_b32.py"

[[files]]
path = "{graph}"
role = "image"
bytes = {bytes}
sha256 = "{sha256}"

[image]
input = "pixel_values"
outputs = ["image_embeds"]
width = {side}
height = {side}
resize = "shortest_crop"
filter = "bicubic"
mean = [0.48145466, 0.4578275, 0.40821073]
std = [0.26862954, 0.26130258, 0.27577711]
"""


class Graph:
    """Collects nodes and weights in order; every method returns the name of its result."""

    def __init__(self):
        self.nodes, self.weights = [], []
        self.rng = np.random.default_rng(1)

    def node(self, kind, *inputs, **attributes):
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, value):
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def random(self, *shape, fan_in):
        # Every layer preserves the variance of its input, so no value overflows or vanishes.
        return self.constant(
            self.rng.standard_normal(shape, dtype=np.float32) / np.float32(fan_in**0.5)
        )

    def linear(self, x, inputs, outputs):
        product = self.node("MatMul", x, self.random(inputs, outputs, fan_in=inputs))
        return self.node("Add", product, self.random(outputs, fan_in=inputs))

    def norm(self, x):
        scale, bias = (
            self.constant(np.ones(WIDTH, np.float32)),
            self.constant(np.zeros(WIDTH, np.float32)),
        )
        return self.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-5)


def patches(graph, pixels):
    """batch x 3 x 224 x 224 → batch x 50 x 768: class token and patches, with positions added."""
    weight = graph.random(WIDTH, 3, PATCH, PATCH, fan_in=3 * PATCH * PATCH)
    x = graph.node("Conv", pixels, weight, kernel_shape=[PATCH, PATCH], strides=[PATCH, PATCH])
    x = graph.node("Reshape", x, graph.constant([0, WIDTH, PATCHES]))
    x = graph.node("Transpose", x, perm=[0, 2, 1])
    batch = graph.node("Shape", pixels, start=0, end=1)
    shape = graph.node("Concat", batch, graph.constant([1, WIDTH]), axis=0)
    token = graph.node("Expand", graph.random(1, 1, WIDTH, fan_in=1), shape)
    x = graph.node("Concat", token, x, axis=1)
    return graph.node("Add", x, graph.random(1, PATCHES + 1, WIDTH, fan_in=1))


def attention(graph, x):
    tokens, queries, merged = (
        graph.constant([0, 0, HEADS, HEAD]),
        [0, 2, 1, 3],
        graph.constant([0, 0, WIDTH]),
    )

    def heads(perm):
        return graph.node(
            "Transpose", graph.node("Reshape", graph.linear(x, WIDTH, WIDTH), tokens), perm=perm
        )

    query, key, value = heads(queries), heads([0, 2, 3, 1]), heads(queries)
    scores = graph.node(
        "Mul", graph.node("MatMul", query, key), graph.constant(np.float32(HEAD**-0.5))
    )
    mixed = graph.node("MatMul", graph.node("Softmax", scores, axis=-1), value)
    mixed = graph.node("Reshape", graph.node("Transpose", mixed, perm=queries), merged)
    return graph.linear(mixed, WIDTH, WIDTH)


def mlp(graph, x):
    x = graph.linear(x, WIDTH, MLP)
    # CLIP's quick GELU: x · sigmoid(1.702 x).
    gate = graph.node("Sigmoid", graph.node("Mul", x, graph.constant(np.float32(1.702))))
    return graph.linear(graph.node("Mul", x, gate), MLP, WIDTH)


def build():
    graph = Graph()
    x = graph.norm(patches(graph, "pixel_values"))
    for _ in range(DEPTH):
        x = graph.node("Add", x, attention(graph, graph.norm(x)))
        x = graph.node("Add", x, mlp(graph, graph.norm(x)))
    token = graph.norm(graph.node("Gather", x, graph.constant(0), axis=1))
    graph.nodes.append(
        helper.make_node(
            "MatMul", [token, graph.random(WIDTH, DIM, fan_in=WIDTH)], ["image_embeds"]
        )
    )
    pixels = helper.make_tensor_value_info(
        "pixel_values", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE]
    )
    vectors = helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, ["batch", DIM])
    whole = helper.make_graph(graph.nodes, "vit_b32", [pixels], [vectors], graph.weights)
    return helper.make_model(whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


def write(folder):
    """Writes the model unless its manifest exists, which is written last."""
    manifest = folder / "model.toml"
    if manifest.exists():
        return
    file = folder / GRAPH
    file.parent.mkdir(parents=True, exist_ok=True)
    model = build()
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString()
    file.write_bytes(content)
    describe(folder, ID, "fp32")


def write_int8(folder, exact):
    """Writes the model of `exact` with 8-bit weights, quantized like most public models."""
    if (folder / "model.toml").exists():
        return
    from onnxruntime.quantization import QuantType, quantize_dynamic

    (folder / GRAPH).parent.mkdir(parents=True, exist_ok=True)
    quantize_dynamic(
        exact / GRAPH, folder / GRAPH, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"]
    )
    describe(folder, INT8_ID, "int8")


def describe(folder, model_id, precision):
    content = (folder / GRAPH).read_bytes()
    values = {
        "id": model_id,
        "space": ID,
        "dim": DIM,
        "precision": precision,
        "graph": GRAPH,
        "side": SIDE,
    }
    sha256 = hashlib.sha256(content).hexdigest()
    (folder / "model.toml").write_text(MANIFEST.format(bytes=len(content), sha256=sha256, **values))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
