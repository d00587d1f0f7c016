"""Compares a converted captioner with transformers, token by token."""

import random

import numpy as np
import torch
from PIL import Image


def generated(model, pixel_values, prompt, max_tokens, **options):
    """Tokens of each caption by transformers' greedy `generate`, without prompt and end."""
    end = model.config.text_config.sep_token_id
    begin = model.config.text_config.bos_token_id
    # Without text BLIP begins with its own start token. From a text it cuts the last token, the
    # end.
    text = None if prompt == [begin] else torch.tensor([[*prompt, end]] * len(pixel_values))
    greedy = {"max_new_tokens": max_tokens, "do_sample": False, "num_beams": 1}
    rows = model.generate(
        pixel_values=torch.from_numpy(pixel_values), input_ids=text, **greedy, **options
    ).tolist()
    captions = [row[len(prompt) :] for row in rows]
    return [row[: row.index(end)] if end in row else row for row in captions]


def refuse_differences(model, tokenizer, captioner, pictures, language):
    """Raises if a caption of the graphs differs, in a batch or alone; takes pixel values."""
    prompt, max_tokens = captioner.prompts[language], captioner.settings["max_tokens"]
    expected = generated(model, pictures, prompt, max_tokens)
    alone = [captioner.token_ids(picture[None], language)[0] for picture in pictures]
    for way, got in (("in one batch", captioner.token_ids(pictures, language)), ("alone", alone)):
        for index, (ids, reference) in enumerate(zip(got, expected)):
            if ids != reference:
                raise SystemExit(
                    f"picture {index} {way}: the graphs write {ids}, "
                    f"transformers writes {reference}"
                )
    for ids in expected:
        text, reference = (
            captioner.text(ids),
            tokenizer.decode(ids, skip_special_tokens=True).strip(),
        )
        if text != reference:
            raise SystemExit(
                f"tokenizer.json reads {ids} as {text!r}, transformers as {reference!r}"
            )
        print(f"{len(ids)} tokens agree: {text}")


def drawn_pictures(count=4):
    """Coloured blots of different sizes; a captioner writes a caption for any picture."""
    rng = random.Random(0)
    for index in range(count):
        side = 2 ** (index + 1)
        blots = np.array([rng.randrange(256) for _ in range(side * side * 3)], np.uint8).reshape(
            side, side, 3
        )
        yield Image.fromarray(blots).resize((320, 240), Image.Resampling.BICUBIC)
