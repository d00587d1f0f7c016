"""The two graphs of a captioner, out of a `BlipForConditionalGeneration`.

transformers computes keys and values of the picture in the decoder and keeps a cache of two tensors
per layer. Here the encoder's graph computes the former once, and the cache is one tensor.
"""

import torch
from torch.nn import functional as F

from captioner_manifest import DECODER, ENCODER
from onnx_graph import graph


class Encoder(torch.nn.Module):
    """Pixels to keys and values of every layer: [2 x layers, batch, heads, patches, head width]."""

    def __init__(self, model):
        super().__init__()
        self.vision = model.vision_model
        self.attentions = torch.nn.ModuleList(layer.crossattention.self for layer in _layers(model))

    def forward(self, pixel_values):
        hidden = self.vision(pixel_values=pixel_values).last_hidden_state
        pairs = [(attention.key(hidden), attention.value(hidden)) for attention in self.attentions]
        return torch.stack(
            [
                _split(part, attention)
                for attention, pair in zip(self.attentions, pairs)
                for part in pair
            ]
        )


class Decoder(torch.nn.Module):
    """Words so far to the scores of the next one, after the last token only."""

    def __init__(self, model):
        super().__init__()
        self.embeddings = model.text_decoder.bert.embeddings
        self.layers = _layers(model)
        self.scores = model.text_decoder.cls

    def forward(self, input_ids, position_ids, past_kv, cross_kv):
        x = self.embeddings(input_ids=input_ids, position_ids=position_ids)
        past, new = past_kv.shape[3], input_ids.shape[1]
        mask = torch.arange(past + new)[None] <= torch.arange(new)[:, None] + past
        present = []
        for index, layer in enumerate(self.layers):
            attention = layer.attention.self
            key = torch.cat([past_kv[2 * index], _split(attention.key(x), attention)], dim=2)
            value = torch.cat(
                [past_kv[2 * index + 1], _split(attention.value(x), attention)], dim=2
            )
            present += [key, value]
            x = _attend(layer.attention, x, key, value, mask)
            x = _attend(layer.crossattention, x, cross_kv[2 * index], cross_kv[2 * index + 1], None)
            x = layer.feed_forward_chunk(x)
        return self.scores(x[:, -1:]), torch.stack(present)


@torch.no_grad()
def write_graphs(model, folder):
    side = model.config.vision_config.image_size
    encoder, decoder = Encoder(model).eval(), Decoder(model).eval()
    pixels = torch.zeros(2, 3, side, side)
    graph(encoder, [pixels], ["pixel_values"], ["cross_kv"], [{0: "batch"}], folder / ENCODER)

    cross = encoder(pixels)
    layers, batch, heads, _, width = cross.shape
    ids, positions = torch.ones(batch, 2, dtype=torch.int64), torch.tensor([[3, 4]])
    names = ["input_ids", "position_ids", "past_kv", "cross_kv"]
    axes = [{0: "batch", 1: "new"}, {1: "new"}, {1: "batch", 3: "past"}, {1: "batch"}]
    inputs = [ids, positions, torch.zeros(layers, batch, heads, 3, width), cross]
    graph(decoder, inputs, names, ["logits", "present_kv"], axes, folder / DECODER)


def _layers(model):
    return model.text_decoder.bert.encoder.layer


def _split(x, attention):
    return x.unflatten(
        -1, (attention.num_attention_heads, attention.attention_head_size)
    ).transpose(1, 2)


def _attend(block, x, key, value, mask):
    query = _split(block.self.query(x), block.self)
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return block.output(mixed.transpose(1, 2).flatten(2), x)
