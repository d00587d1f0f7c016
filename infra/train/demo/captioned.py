"""Counts the captions of the exported captioner that are exactly right."""

import numpy as np

from captions import LANGUAGES, sentence
from samples import pixels, stored_picture
from scenes import HELD_OUT, TRAINING, seeded


def measure(captioner, seed=9):
    """Prints the shares of right captions; returns the worse language's on held-out scenes."""
    held_out = shares(captioner, HELD_OUT, "held-out", seed)
    shares(captioner, TRAINING[::3], "training", seed)
    return min(held_out)


def shares(captioner, scenes, name, seed):
    squares = [pixels(stored_picture(scene, seeded("captioned", seed, scene))) for scene in scenes]
    found = []
    for language in LANGUAGES:
        captions = in_batches(captioner, squares, language)
        wrong = [
            pair
            for pair in zip(captions, (sentence(scene, language) for scene in scenes))
            if pair[0] != pair[1]
        ]
        found.append(1 - len(wrong) / len(scenes))
        print(f"{len(scenes)} {name} scenes, {language}: {found[-1]:.4f} exact")
        for caption, right in wrong[:3]:
            print(f"    {caption!r} for {right!r}")
    return found


def in_batches(captioner, squares, language, batch=50):
    parts = (np.stack(squares[start : start + batch]) for start in range(0, len(squares), batch))
    return [captioner.text(ids) for part in parts for ids in captioner.token_ids(part, language)]
