"""The demo model's vision graph without its head: pixels to tokens."""

import onnx

TOKENS = "tokens"


def token_graph(vision_file):
    """The graph up to the last normalisation, with the weights as they are shipped."""
    model = onnx.shape_inference.infer_shapes(onnx.load(vision_file))
    made_by = {name: node for node in model.graph.node for name in node.output}
    norms = [node for node in model.graph.node if node.op_type == "LayerNormalization"]
    # The graph must end in the choice of one token and the projection.
    node = made_by[model.graph.output[0].name]
    while node is not norms[-1]:
        if node.op_type not in ("Gemm", "Gather"):
            raise RuntimeError(
                f"{vision_file} ends in {node.op_type} after its last normalisation, "
                "not in Gather and Gemm"
            )
        node = made_by[node.input[0]]
    cut = onnx.utils.Extractor(model).extract_model([model.graph.input[0].name], [node.output[0]])
    return _renamed(cut, node.output[0])


def with_head(tokens_model, head):
    """Joins both graphs: `TOKENS` is the head's only input, and the result has its outputs."""
    apart = onnx.compose.add_prefix(head, "head.", rename_inputs=False, rename_outputs=False)
    joined = onnx.compose.merge_models(tokens_model, apart, io_map=[(TOKENS, TOKENS)])
    joined.producer_name = head.producer_name
    return joined


def _renamed(model, name):
    for node in model.graph.node:
        node.input[:] = [TOKENS if value == name else value for value in node.input]
        node.output[:] = [TOKENS if value == name else value for value in node.output]
    model.graph.output[0].name = TOKENS
    return model
