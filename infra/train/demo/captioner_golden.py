"""Writes the captioner's captions of the demo model's golden pictures.

The tokens are chosen by PyTorch from the whole text at every step, with no cache, and one picture
at a time. ONNX Runtime must choose the same with its cache and in a batch.
"""

import numpy as np
import torch
from PIL import Image

from captioner import MAX_TOKENS, PROMPTS, no_past
from captions import LANGUAGES
from export import run, session
from golden import PICTURES, one_line_lists
from samples import pixels
from tokens import END_ID


def write_golden(directory, captioner, vision, cross_keys, decoder, pictures):
    squares = np.stack([pixels(Image.open(pictures / name)) for name, *_ in PICTURES])
    tokens = torch.from_numpy(run(session(vision.SerializeToString()), squares))
    captions = [{} for _ in PICTURES]
    for language in LANGUAGES:
        cached = captioner.token_ids(squares, language)
        for caption, row, ids in zip(captions, tokens, cached):
            whole = from_whole_text(cross_keys, decoder, row[None], PROMPTS[language])
            if ids != whole:
                raise RuntimeError(
                    f"with its cache ONNX Runtime writes {ids}, PyTorch without one {whole}"
                )
            caption[language] = {"ids": ids, "text": captioner.text(ids)}
            print(f"golden {language}: {caption[language]['text']}")
    golden = {
        "about": "Made by infra/train/demo/train_captioner.py. "
        "Ids are without prompt and end; the pictures lie in demo-clip/golden.",
        "pictures": [{"file": name} | caption for (name, *_), caption in zip(PICTURES, captions)],
    }
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "golden.json").write_text(one_line_lists(golden), encoding="utf-8")


@torch.no_grad()
def from_whole_text(cross_keys, decoder, tokens, prompt):
    ids = list(prompt)
    for _ in range(MAX_TOKENS):
        places = torch.arange(len(ids))[None]
        logits, _ = decoder(torch.tensor([ids]), places, no_past(1), cross_keys(tokens))
        chosen = int(logits[0, -1].argmax())
        if chosen == END_ID:
            break
        ids.append(chosen)
    return ids[len(prompt) :]
