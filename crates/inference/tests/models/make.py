"""Writes the tiny models of these tests, whose results a test can foresee.

    python -m venv venv
    venv/bin/pip install onnx==1.23.2
    venv/bin/python make.py

colours   image tower: mean of each channel [batch, 3];
          text tower: ids (int64) and mask -> [sum of ids, tokens]
single    the same with fixed sizes: one picture per run, one text of 8 tokens (int32), no mask
fours     the same for batches of exactly four
hungry    image tower of colours that asks for 4 TiB when a run has more than two pictures
lookup    text tower only: looks ids up in a table of 6 rows, so a greater id fails in the run
"""

import hashlib
import json
import pathlib

import onnx
from onnx import TensorProto, helper

HERE = pathlib.Path(__file__).parent

IMAGE = """
[image]
input = "pixels"
outputs = ["colours"]
width = 4
height = 4
resize = "squash"
filter = "bicubic"
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]
"""

WORDS = ["[PAD]", "[BEGIN]", "[END]", "[UNKNOWN]", "red", "green", "blue", "grey"]


def graph(name, inputs, nodes, output, columns, constants=()):
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", columns])]
    built = helper.make_graph(nodes, name, inputs, outputs, list(constants))
    model = helper.make_model(built, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def image_tower(batch):
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [batch, 3, 4, 4])
    mean = helper.make_node("ReduceMean", ["pixels"], ["colours"], axes=[2, 3], keepdims=0)
    return graph("image", [pixels], [mean], "colours", 3)


def hungry_tower():
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, 4, 4])
    constants = {"first": 0, "two": 2, "none": 0, "terabyte": 2**40, "one": 1}
    constants = [
        helper.make_tensor(name, TensorProto.INT64, [1], [value])
        for name, value in constants.items()
    ]
    constants.append(helper.make_tensor("nothing", TensorProto.FLOAT, [1], [0.0]))
    nodes = [
        helper.make_node("ReduceMean", ["pixels"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Shape", ["pixels"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["pictures"]),
        helper.make_node("Sub", ["pictures", "two"], ["beyond"]),
        helper.make_node("Max", ["beyond", "none"], ["excess"]),
        helper.make_node("Mul", ["excess", "terabyte"], ["much"]),
        helper.make_node("Add", ["much", "one"], ["size"]),
        helper.make_node("Expand", ["nothing", "size"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros", "first"], ["zero"], keepdims=1),
        helper.make_node("Add", ["means", "zero"], ["colours"]),
    ]
    return graph("hungry", [pixels], nodes, "colours", 3, constants)


def text_tower(batch, length, element, masked):
    inputs = [helper.make_tensor_value_info("ids", element, [batch, length])]
    nodes = [helper.make_node("Cast", ["ids"], ["numbers"], to=TensorProto.FLOAT)]
    counted, ones = "numbers", "ones"
    if masked:
        inputs.append(helper.make_tensor_value_info("mask", element, [batch, length]))
        nodes.append(helper.make_node("Cast", ["mask"], ["ones"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", ["numbers", "ones"], ["kept"]))
        counted = "kept"
    else:
        nodes.append(helper.make_node("Sub", ["numbers", "numbers"], ["zeros"]))
        nodes.append(helper.make_node("Exp", ["zeros"], ["ones"]))
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    nodes.append(helper.make_node("ReduceSum", [counted, "axis"], ["sum"], keepdims=1))
    nodes.append(helper.make_node("ReduceSum", [ones, "axis"], ["count"], keepdims=1))
    nodes.append(helper.make_node("Concat", ["sum", "count", "count"], ["meaning"], axis=1))
    return graph("text", inputs, nodes, "meaning", 3, [axis])


def lookup_tower():
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "length"])
    values = [float(1 + i % 5) for i in range(18)]
    table = helper.make_tensor("table", TensorProto.FLOAT, [6, 3], values)
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("ReduceMean", ["rows"], ["meaning"], axes=[1], keepdims=0),
    ]
    return graph("lookup", [ids], nodes, "meaning", 3, [table])


def tokenizer():
    special = [
        {"id": i, "content": word, "single_word": False}
        | {"lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for i, word in enumerate(WORDS[:4])
    ]
    padding = {"strategy": {"Fixed": 5}, "direction": "Left", "pad_to_multiple_of": None}
    padding |= {"pad_id": 3, "pad_type_id": 0, "pad_token": "[UNKNOWN]"}
    truncation = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    words = {word: i for i, word in enumerate(WORDS)}
    return json.dumps({
        "version": "1.0",
        # Both are wrong on purpose: the manifest must win.
        "truncation": truncation,
        "padding": padding,
        "added_tokens": special,
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "[BEGIN]", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[END]", "type_id": 0}},
            ],
            "pair": [
                {"Sequence": {"id": "A", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 1}},
            ],
            "special_tokens": {
                "[BEGIN]": {"id": "[BEGIN]", "ids": [1], "tokens": ["[BEGIN]"]},
                "[END]": {"id": "[END]", "ids": [2], "tokens": ["[END]"]},
            },
        },
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "[UNKNOWN]"},
    }, indent=1).encode()


def write(name, files, sections):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    text = f'id = "{name}"\nspace = "{name}"\ndim = 3\nlicence = "Apache-2.0"\n'
    for path, (role, content) in files.items():
        (folder / path).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        text += f'\n[[files]]\npath = "{path}"\nrole = "{role}"\n'
        text += f'bytes = {len(content)}\nsha256 = "{digest}"\n'
    (folder / "model.toml").write_text(text + "".join(sections))


def text_section(extra):
    return '\n[text]\ninput = "ids"\noutputs = ["meaning"]\nmax_len = 8\npad_id = 0\n' + extra


token_file = {"tokenizer.json": ("tokenizer", tokenizer())}


def both_towers(image, text):
    return {"image.onnx": ("image", image), "text.onnx": ("text", text)} | token_file


write(
    "colours",
    both_towers(image_tower("batch"), text_tower("batch", "length", TensorProto.INT64, True)),
    [IMAGE, text_section('mask_input = "mask"\nlowercase = true\n')],
)
write(
    "single",
    both_towers(image_tower(1), text_tower(1, 8, TensorProto.INT32, False)),
    [IMAGE, text_section("")],
)
write("hungry", {"image.onnx": ("image", hungry_tower())}, [IMAGE])
write(
    "fours",
    both_towers(image_tower(4), text_tower(4, 8, TensorProto.INT32, False)),
    [IMAGE, text_section("")],
)
write("lookup", {"text.onnx": ("text", lookup_tower())} | token_file, [text_section("")])
