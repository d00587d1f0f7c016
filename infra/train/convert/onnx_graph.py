"""Writes PyTorch modules as ONNX files without traces of this machine."""

import onnx
import torch

DYNAMIC = torch.export.Dim.DYNAMIC
_OPSET = 18


class _Positional(torch.nn.Module):
    """A module with unnamed inputs: the exporter wants axes by the names of arguments."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, *inputs):
        return self.module(*inputs)


def graph(module, inputs, names, outputs, dynamic, file):
    """Write a graph. `dynamic` has, per input, the name of each axis of any size by its number."""
    axes = tuple({axis: DYNAMIC for axis in named} for named in dynamic)
    program = torch.onnx.export(
        _Positional(module),
        tuple(inputs),
        input_names=names,
        output_names=outputs,
        dynamic_shapes={"inputs": axes},
        opset_version=_OPSET,
        dynamo=True,
        verbose=False,
        external_data=False,
    )
    model = program.model_proto
    tidy(model)
    for value, named in zip(model.graph.input, dynamic):
        for axis, name in named.items():
            value.type.tensor_type.shape.dim[axis].dim_param = name
    onnx.checker.check_model(model, full_check=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, file)


def tidy(model):
    """Removes debugging data of the exporter, such as local file names, and shortens names."""
    graph = model.graph
    del graph.value_info[:]
    del model.metadata_props[:]
    if model.functions:
        raise RuntimeError("the graph has local functions")
    for part in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        part.doc_string = ""
        if hasattr(part, "metadata_props"):
            del part.metadata_props[:]
    kept = {value.name for value in (*graph.input, *graph.output)}
    short = {"": ""}
    rename = lambda name: name if name in kept else short.setdefault(name, f"v{len(short)}")
    for tensor in graph.initializer:
        tensor.name = rename(tensor.name)
    for node in graph.node:
        node.name = ""
        node.input[:] = [rename(name) for name in node.input]
        node.output[:] = [rename(name) for name in node.output]
