"""Trains the demo captioner on the shipped demo model and writes everything its directory holds.

    pip install -r infra/train/demo/requirements.txt
    python infra/train/demo/train_captioner.py

takes about seven minutes on one CPU core. The number of threads is read from THREADS (default 1).
Exits with an error if too few captions of scenes that were never trained on are right to the
letter.
"""

import argparse
import math
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional as F

# Behind this folder, so that the files beside this one come first.
INFRA = Path(__file__).resolve().parents[2]
sys.path += [str(INFRA / "train" / "convert"), str(INFRA / "dev" / "demo")]
from captioned import measure  # noqa: E402
from captioner import PROMPT_TOKENS, PROMPTS, CrossKeys, Decoder, no_past  # noqa: E402
from captioner_golden import write_golden  # noqa: E402
from captions import LANGUAGES, sentence  # noqa: E402
from export import run, session  # noqa: E402
from export_captioner import export_captioner  # noqa: E402
from onnx_captioner import OnnxCaptioner  # noqa: E402
from samples import pixels, stored_picture, training_picture  # noqa: E402
from scenes import TRAINING, seeded  # noqa: E402
from tokens import END_ID  # noqa: E402
from vision_tokens import token_graph  # noqa: E402

MODELS = Path(__file__).resolve().parents[3] / "crates" / "inference" / "models"
GATE = 0.95
PICTURES_PER_SCENE = 20
# Large pictures take long to draw, and little of their size remains after the squash.
STORED_SHARE = 0.12
# How often a word is replaced by another one, so that the next word must be read from the picture.
# From words alone the model would learn which scenes never occur in training.
WRONG_WORDS = 0.15


def main():
    arguments = parse_arguments()
    torch.set_num_threads(int(os.environ.get("THREADS", "1")))
    torch.manual_seed(arguments.seed)

    vision = token_graph(arguments.clip / "onnx" / "vision_model.onnx")
    tokenizer = Tokenizer.from_file(str(arguments.clip / "tokenizer.json"))
    learner = Learner(tokenizer.get_vocab_size())
    if arguments.checkpoint and arguments.checkpoint.exists():
        learner.load_state_dict(torch.load(arguments.checkpoint, weights_only=True))
    else:
        train(learner, session(vision.SerializeToString()), tokenizer, arguments)
        if arguments.checkpoint:
            torch.save(learner.state_dict(), arguments.checkpoint)
    learner.eval()

    parts = (vision, learner.cross_keys, learner.decoder)
    export_captioner(arguments.out, *parts, arguments.clip)
    captioner = OnnxCaptioner(arguments.out)
    write_golden(arguments.out / "golden", captioner, *parts, arguments.clip / "golden")
    lowest = measure(captioner)
    if lowest < GATE:
        sys.exit(f"{lowest:.4f} of the captions are right, below {GATE}: do not ship these files")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--clip",
        type=Path,
        default=MODELS / "demo-clip",
        help="the model whose vision graph is used",
    )
    parser.add_argument(
        "--out", type=Path, default=MODELS / "demo-captioner", help="where to write the captioner"
    )
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--checkpoint",
        type=Path,
        help="save the weights here; if the file exists, export it instead of training",
    )
    return parser.parse_args()


class Learner(nn.Module):
    """The trained modules; the vision tower is fixed."""

    def __init__(self, vocabulary):
        super().__init__()
        self.cross_keys = CrossKeys()
        self.decoder = Decoder(vocabulary)

    def forward(self, tokens, ids):
        cross = self.cross_keys(tokens)
        places = torch.arange(ids.shape[1])[None]
        hidden, _ = self.decoder.hidden(ids, places, no_past(len(ids)), cross)
        return self.decoder.scores(hidden)


def train(learner, vision, tokenizer, arguments):
    rng = seeded("captioner", arguments.seed)
    started = time.monotonic()
    # The vision tower does not change, so every picture is drawn and seen by it once.
    scenes = [scene for scene in TRAINING for _ in range(PICTURES_PER_SCENE)]
    tokens = picture_tokens(vision, scenes, rng)
    written = {language: target_ids(tokenizer, scenes, language) for language in LANGUAGES}
    print(f"{time.monotonic() - started:5.0f} s, {len(scenes)} pictures drawn", flush=True)

    peak = 2e-3
    optimizer = torch.optim.AdamW(
        learner.parameters(), lr=peak, weight_decay=0.02, betas=(0.9, 0.98)
    )
    for step in range(arguments.steps):
        warm_up = min(1, (step + 1) / 60)
        cosine = 0.02 + 0.49 * (1 + math.cos(math.pi * step / arguments.steps))
        for group in optimizer.param_groups:
            group["lr"] = peak * warm_up * cosine

        chosen = torch.tensor([rng.randrange(len(scenes)) for _ in range(arguments.batch)])
        loss = torch.stack(
            [caption_loss(learner, tokens[chosen], written[name][chosen]) for name in LANGUAGES]
        ).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()

        if step % 100 == 0 or step == arguments.steps - 1:
            print(
                f"{time.monotonic() - started:5.0f} s, step {step}: loss {loss.item():.4f}",
                flush=True,
            )


def picture_tokens(vision, scenes, rng, batch=100):
    def drawn(scene):
        picture = stored_picture if rng.random() < STORED_SHARE else training_picture
        return pixels(picture(scene, rng))

    parts = (scenes[start : start + batch] for start in range(0, len(scenes), batch))
    return torch.from_numpy(
        np.concatenate([run(vision, np.stack([drawn(scene) for scene in part])) for part in parts])
    )


def target_ids(tokenizer, scenes, language):
    """Prompt, sentence and end of every scene, padded with ends to the longest."""
    prompt = PROMPTS[language]
    rows = [tokenizer.encode(sentence(scene, language)).ids for scene in scenes]
    longest = max(row.index(END_ID) for row in rows)
    # The tokenizer begins a text with the start token, which the prompt has already.
    return torch.tensor([prompt + row[1 : longest + 1] for row in rows])


def caption_loss(learner, tokens, ids):
    """Mean cross-entropy of the sentence and its first end, given the prompt and the picture."""
    prompt = PROMPT_TOKENS
    fed = ids[:, :-1].clone()
    wrong = torch.rand(fed.shape) < WRONG_WORDS
    wrong[:, :prompt] = False
    fed[wrong] = torch.randint(int(ids.max()) + 1, (int(wrong.sum()),))

    scores = learner(tokens, fed)[:, prompt - 1 :]
    target = ids[:, prompt:]
    ended = (target == END_ID).int().cumsum(dim=1)
    counted = (ended <= 1).float()
    each = F.cross_entropy(scores.transpose(1, 2), target, reduction="none")
    return (each * counted).sum() / counted.sum()


if __name__ == "__main__":
    main()
