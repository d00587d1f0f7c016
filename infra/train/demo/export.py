"""Writes the trained towers in the layout of public CLIP repositories."""

import json
import re

import numpy as np
import onnx
import onnxruntime
import torch

from samples import MEAN, STD
from towers import PIXELS

OPSET = 18
LARGEST_DIFFERENCE = 1e-4
BATCH = {0: "batch"}
# Anything that looks like a path of the machine that trains.
LEAK = rb"[\w./-]*(?:\.py\b|/home/|/tmp/|site-packages)[\w./-]*"


def export(out, vision, text, tokenizer, example_pixels, example_ids):
    """Write every file below `out`, then check ONNX Runtime against PyTorch."""
    vision_file = out / "onnx" / "vision_model.onnx"
    text_file = out / "onnx" / "text_model.onnx"
    for tower, example, file, input_name, output_name in (
        (vision, example_pixels, vision_file, "pixel_values", "image_embeds"),
        (text, example_ids, text_file, "input_ids", "text_embeds"),
    ):
        save(to_onnx(tower, [example], {input_name: BATCH}, {output_name: BATCH}), file)
    tokenizer.save(str(out / "tokenizer.json"))
    _write_preprocessor(out / "preprocessor_config.json")
    _check_parity(vision, example_pixels, vision_file)
    _check_parity(text, example_ids, text_file)


def session(file, threads=1):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def run(session, batch):
    """Run a one-input, one-output graph."""
    return session.run(None, {session.get_inputs()[0].name: batch})[0]


def to_onnx(module, example, inputs, outputs):
    """The module as a graph; `inputs` and `outputs` name the axes of any size, by number."""
    program = torch.onnx.export(
        module,
        tuple(example),
        input_names=list(inputs),
        output_names=list(outputs),
        dynamic_shapes=tuple(
            {axis: torch.export.Dim.DYNAMIC for axis in axes} for axes in inputs.values()
        ),
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    model = program.model_proto
    name_axes(model, inputs | outputs)
    return model


def name_axes(model, named):
    for value in (*model.graph.input, *model.graph.output):
        for axis, name in named[value.name].items():
            value.type.tensor_type.shape.dim[axis].dim_param = name


def save(model, file):
    """Write a graph without traces of this machine."""
    _tidy(model)
    onnx.checker.check_model(model, full_check=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, file)


def _tidy(model):
    """Remove the exporter's debugging data.

    It stores a stack trace with file names in every node, which would put the
    paths of whoever trained the model into the repository.
    """
    graph = model.graph
    del graph.value_info[:]
    described = [model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output]
    for part in described:
        part.doc_string = ""
        del part.metadata_props[:]

    if model.functions:
        raise RuntimeError("the graph has local functions, which are not tidied")
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    for tensor in bare.graph.initializer:
        tensor.ClearField("raw_data")
    leak = re.search(LEAK, bare.SerializeToString())
    if leak:
        raise RuntimeError(f"the graph still names a file: {leak.group()!r}")


def _write_preprocessor(file):
    settings = {
        "image_processor_type": "SiglipImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"height": PIXELS, "width": PIXELS},
        "resample": 3,
        "do_center_crop": False,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [MEAN] * 3,
        "image_std": [STD] * 3,
    }
    file.write_text(json.dumps(settings, indent=2) + "\n")


def _check_parity(tower, example, file):
    graph = session(file)
    # Other batch sizes than the exported one prove that the batch is dynamic.
    for count in (1, len(example)):
        with torch.no_grad():
            expected = tower(example[:count]).numpy()
        difference = np.abs(run(graph, example[:count].numpy()) - expected).max()
        print(f"{file.name}: batch {count}, largest difference to PyTorch {difference:.1e}")
        if difference > LARGEST_DIFFERENCE:
            raise RuntimeError(f"{file.name} does not compute what PyTorch computes")
