"""The two towers of the demo's CLIP-like model: pixels and tokens to 128 numbers."""

import torch
from torch import nn
from torch.nn import functional as F

PIXELS = 64
CONTEXT = 24
WIDTH = 128
HEADS = 4
EMBEDDING = 128


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width=WIDTH, heads=HEADS):
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width)
        )

    def forward(self, x, mask=None):
        query, key, value = (
            self._split(part) for part in self.qkv(self.attention_norm(x)).chunk(3, dim=-1)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.mlp(self.mlp_norm(x))

    def _split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def _convolution(inputs, outputs):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.GELU(),
    )


class VisionTower(nn.Module):
    """Four strided convolutions make 16 tokens for three transformer blocks.

    The convolutions replace the usual patch embedding: at this size they learn
    several times faster on a CPU.
    """

    def __init__(self):
        super().__init__()
        channels = (3, 24, 48, 96, WIDTH)
        self.stem = nn.Sequential(*(_convolution(*pair) for pair in zip(channels, channels[1:])))
        patches = (PIXELS // 2 ** (len(channels) - 1)) ** 2
        self.summary = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.position = nn.Parameter(torch.randn(1, 1 + patches, WIDTH) * 0.02)
        self.blocks = nn.ModuleList(Block() for _ in range(3))
        self.norm = nn.LayerNorm(WIDTH)
        self.project = nn.Linear(WIDTH, EMBEDDING, bias=False)

    def tokens(self, pixel_values):
        patches = self.stem(pixel_values).flatten(2).transpose(1, 2)
        summary = self.summary.expand(patches.shape[0], -1, -1)
        x = torch.cat([summary, patches], dim=1) + self.position
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def forward(self, pixel_values):
        return self.project(self.tokens(pixel_values)[:, 0])


class TextTower(nn.Module):
    """Two transformer blocks, read out at the first end-of-text token."""

    def __init__(self, vocabulary, end_id):
        super().__init__()
        self.end_id = end_id
        self.embed = nn.Embedding(vocabulary, WIDTH)
        self.position = nn.Parameter(torch.randn(1, CONTEXT, WIDTH) * 0.02)
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.norm = nn.LayerNorm(WIDTH)
        self.project = nn.Linear(WIDTH, EMBEDDING, bias=False)

    def forward(self, input_ids):
        # Padding is more end-of-text tokens, so only the first one counts and
        # nothing may look beyond it.
        end = (input_ids == self.end_id).int().argmax(dim=1, keepdim=True)
        places = torch.arange(CONTEXT, device=input_ids.device).unsqueeze(0)
        mask = (places <= end)[:, None, None, :]
        x = self.embed(input_ids) + self.position
        for block in self.blocks:
            x = block(x, mask)
        # A sum with a one-hot weight exports to plainer ONNX than a gather.
        chosen = (places == end).to(x.dtype).unsqueeze(-1)
        return self.project(self.norm((x * chosen).sum(dim=1)))
