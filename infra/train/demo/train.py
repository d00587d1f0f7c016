"""Trains the demo model and writes everything its directory holds.

    pip install -r infra/train/demo/requirements.txt
    python infra/train/demo/train.py

takes about a quarter of an hour on one CPU core. The number of threads is read
from THREADS (default 1). Exits with an error if recall@1 on scenes that were
never trained on is below the gate.
"""

import argparse
import math
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

# Scenes and their captions are the demo's.
sys.path.append(str(Path(__file__).resolve().parents[2] / "dev" / "demo"))
from captions import caption  # noqa: E402
from evaluate import Model, measure  # noqa: E402
from export import export  # noqa: E402
from golden import write_golden  # noqa: E402
from samples import pixels, training_picture  # noqa: E402
from scenes import ATTRIBUTES, HELD_OUT, TRAINING, seeded  # noqa: E402
from tokens import END_ID, train_tokenizer  # noqa: E402
from towers import EMBEDDING, TextTower, VisionTower  # noqa: E402

OUT = Path(__file__).resolve().parents[3] / "crates" / "inference" / "models" / "demo-clip"
GATE = 0.97
# How often a training caption names the place, time, object and colour.
KEEP = (0.7, 0.6, 0.85, 0.85)
SIZES = [len(values) for values in ATTRIBUTES]


def main():
    arguments = parse_arguments()
    torch.set_num_threads(int(os.environ.get("THREADS", "1")))
    torch.manual_seed(arguments.seed)

    tokenizer = train_tokenizer(arguments.seed)
    learner = Learner(tokenizer)
    if arguments.checkpoint and arguments.checkpoint.exists():
        learner.load_state_dict(torch.load(arguments.checkpoint, weights_only=True))
    else:
        train(learner, arguments.steps, arguments.batch, arguments.seed)
        if arguments.checkpoint:
            torch.save(learner.state_dict(), arguments.checkpoint)
    learner.eval()
    print(f"logit scale {learner.scale().item():.3f}")

    scenes = HELD_OUT[:5]
    example_pixels = pixel_batch(scenes, seeded("example"))
    example_ids = learner.ids([caption(scene, seeded("example", scene)) for scene in scenes])
    export(arguments.out, learner.vision, learner.text, tokenizer, example_pixels, example_ids)
    write_golden(arguments.out / "golden", learner.vision, learner.text, tokenizer)

    lowest = measure(Model(arguments.out))
    if lowest < GATE:
        sys.exit(f"recall@1 {lowest:.4f} is below {GATE}: do not ship these files")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=OUT, help="where to write the model")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=192)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--checkpoint",
        type=Path,
        help="save the weights here; if the file exists, export it instead of training",
    )
    return parser.parse_args()


class Learner(nn.Module):
    """The two towers and what only training needs."""

    def __init__(self, tokenizer):
        super().__init__()
        self.tokenizer = tokenizer
        self.vision = VisionTower()
        self.text = TextTower(tokenizer.get_vocab_size(), END_ID)
        # The heads name each attribute outright. With them the towers find the
        # attributes within minutes; the contrastive loss alone is far slower.
        self.vision_heads = nn.Linear(EMBEDDING, sum(SIZES))
        self.text_heads = nn.Linear(EMBEDDING, sum(SIZES))
        self.log_scale = nn.Parameter(torch.tensor(2.66))

    def scale(self):
        return self.log_scale.exp().clamp(max=100)

    def ids(self, texts):
        return torch.tensor([encoding.ids for encoding in self.tokenizer.encode_batch(texts)])


def train(learner, steps, batch, seed):
    rng = seeded("training", seed)
    peak = 2e-3
    optimizer = torch.optim.AdamW(
        learner.parameters(), lr=peak, weight_decay=0.05, betas=(0.9, 0.98)
    )
    started = time.monotonic()
    for step in range(steps):
        progress = step / steps
        warm_up = min(1, (step + 1) / 60)
        cosine = 0.02 + 0.49 * (1 + math.cos(math.pi * progress))
        for group in optimizer.param_groups:
            group["lr"] = peak * warm_up * cosine

        contrastive, named = losses(learner, *draw_batch(learner, batch, rng))
        # The heads lead at first and hand over to the loss that search needs.
        loss = contrastive + max(0.1, 1 - 1.3 * progress) * named
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()

        if step % 50 == 0 or step == steps - 1:
            seconds = time.monotonic() - started
            print(
                f"{seconds:5.0f} s, step {step}: "
                f"contrastive {contrastive.item():.3f}, attributes {named.item():.3f}",
                flush=True,
            )


def draw_batch(learner, size, rng):
    """Pictures, captions, the true attributes and which of them each caption names."""
    scenes = [rng.choice(TRAINING) for _ in range(size)]
    kept = [tuple(rng.random() < chance for chance in KEEP) for _ in scenes]
    ids = learner.ids([caption(scene, rng, keep) for scene, keep in zip(scenes, kept)])
    truth = [
        [values.index(value) for values, value in zip(ATTRIBUTES, scene.attributes())]
        for scene in scenes
    ]
    return pixel_batch(scenes, rng), ids, torch.tensor(truth), torch.tensor(kept)


def pixel_batch(scenes, rng):
    return torch.from_numpy(np.stack([pixels(training_picture(scene, rng)) for scene in scenes]))


def losses(learner, pixel_values, input_ids, truth, kept):
    """The contrastive loss and the loss of naming the attributes."""
    image, text = learner.vision(pixel_values), learner.text(input_ids)

    # A caption that leaves attributes out is true of every picture that agrees
    # on the rest, not only of the one it was written for.
    agrees = (truth[:, None] == truth[None]) | ~kept[:, None]
    positive = agrees.all(dim=-1).float()
    logits = learner.scale() * F.normalize(text, dim=-1) @ F.normalize(image, dim=-1).T
    by_caption = positive / positive.sum(dim=1, keepdim=True) * logits.log_softmax(dim=1)
    by_picture = positive / positive.sum(dim=0, keepdim=True) * logits.log_softmax(dim=0)
    contrastive = -(by_caption.sum(dim=1).mean() + by_picture.sum(dim=0).mean()) / 2

    named = attribute_loss(learner.vision_heads(image), truth, torch.ones_like(kept))
    named = named + attribute_loss(learner.text_heads(text), truth, kept)
    return contrastive, named


def attribute_loss(scores, truth, kept):
    """Mean cross-entropy over the attributes, counting only those kept."""
    total = 0
    for index, part in enumerate(scores.split(SIZES, dim=1)):
        each = F.cross_entropy(part, truth[:, index], reduction="none")
        total = total + (each * kept[:, index].float()).mean()
    return total / len(SIZES)


if __name__ == "__main__":
    main()
