"""The demo captioner: two decoder blocks that look at the tokens of the demo's vision tower.

Keys and values of the picture are computed once, by `CrossKeys`, and belong to the encoder's graph.
Those of the words so far are handed in and out in one tensor, so that a step of greedy decoding
computes one token.
"""

import torch
from torch import nn
from torch.nn import functional as F

from captions import LANGUAGES
from tokens import SPECIAL, START_ID
from towers import WIDTH

HEADS = 4
BLOCKS = 2
# The second token chooses the language.
PROMPTS = {language: [START_ID, SPECIAL.index(f"<|{language}|>")] for language in LANGUAGES}
PROMPT_TOKENS = 2
MAX_TOKENS = 24
POSITIONS = PROMPT_TOKENS + MAX_TOKENS


class CrossKeys(nn.Module):
    """From tokens of a picture to keys and values for every block."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(WIDTH, 2 * WIDTH) for _ in range(BLOCKS))

    def forward(self, tokens):
        """[batch, patches, width] to [2 x blocks, batch, heads, patches, width of a head]."""
        parts = [part for layer in self.layers for part in layer(tokens).chunk(2, dim=-1)]
        return torch.stack([_split(part) for part in parts])


class DecoderBlock(nn.Module):
    """A pre-norm transformer block that attends to the words so far, then to the picture."""

    def __init__(self):
        super().__init__()
        self.attention_norm = nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.cross_norm = nn.LayerNorm(WIDTH)
        self.cross_query = nn.Linear(WIDTH, WIDTH)
        self.cross_out = nn.Linear(WIDTH, WIDTH)
        self.mlp_norm = nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 3 * WIDTH), nn.GELU(), nn.Linear(3 * WIDTH, WIDTH)
        )

    def forward(self, x, mask, past, cross):
        query, key, value = (
            _split(part) for part in self.qkv(self.attention_norm(x)).chunk(3, dim=-1)
        )
        key, value = torch.cat([past[0], key], dim=2), torch.cat([past[1], value], dim=2)
        x = x + self.out(_join(F.scaled_dot_product_attention(query, key, value, attn_mask=mask)))
        query = _split(self.cross_query(self.cross_norm(x)))
        x = x + self.cross_out(_join(F.scaled_dot_product_attention(query, cross[0], cross[1])))
        return x + self.mlp(self.mlp_norm(x)), key, value


class Decoder(nn.Module):
    """Words so far to the scores of the next one."""

    def __init__(self, vocabulary):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, WIDTH)
        nn.init.normal_(self.embed.weight, std=WIDTH**-0.5)
        self.position = nn.Embedding(POSITIONS, WIDTH)
        self.blocks = nn.ModuleList(DecoderBlock() for _ in range(BLOCKS))
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, input_ids, position_ids, past_kv, cross_kv):
        """Scores after the last token only: no step of greedy decoding needs the others."""
        hidden, present_kv = self.hidden(input_ids, position_ids, past_kv, cross_kv)
        return self.scores(hidden[:, -1:]), present_kv

    def hidden(self, input_ids, position_ids, past_kv, cross_kv):
        x = self.embed(input_ids) + self.position(position_ids)
        past, new = past_kv.shape[3], input_ids.shape[1]
        mask = torch.arange(past + new)[None] <= torch.arange(new)[:, None] + past
        present = []
        for index, block in enumerate(self.blocks):
            pair = slice(2 * index, 2 * index + 2)
            x, key, value = block(x, mask, past_kv[pair], cross_kv[pair])
            present += [key, value]
        return self.norm(x), torch.stack(present)

    def scores(self, hidden):
        return hidden @ self.embed.weight.T


def no_past(batch):
    """`past_kv` before the first word."""
    return torch.zeros(2 * BLOCKS, batch, HEADS, 0, WIDTH // HEADS)


def _split(x):
    return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)


def _join(x):
    return x.transpose(1, 2).flatten(2)
