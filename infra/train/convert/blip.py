"""Turns a BLIP captioner into a folder that bucketlens loads: `model.toml`, two graphs and
`tokenizer.json`.

    pip install --requirement infra/train/convert/requirements.txt
    python infra/train/convert/blip.py --checkpoint Salesforce/blip-image-captioning-base \\
        --out models/blip-base

CHECKPOINT is a folder with a `BlipForConditionalGeneration` of transformers, or its name at Hugging
Face, from where it is loaded. The result is compared with transformers' `generate` and refused
where one token differs. About 4 GB of memory for the base model; a graph of more than 2 GB cannot
be written.
"""

import argparse
import logging
import pathlib
import warnings

import numpy as np
import torch
import transformers
from PIL import Image

from blip_check import drawn_pictures, refuse_differences
from blip_graphs import write_graphs
from captioner_manifest import TOKENIZER, write_manifest
from onnx_captioner import OnnxCaptioner

FILTERS = {
    Image.Resampling.BILINEAR: "bilinear",
    Image.Resampling.BICUBIC: "bicubic",
    Image.Resampling.LANCZOS: "lanczos",
}


def main():
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    options = parse_arguments()
    model = transformers.BlipForConditionalGeneration.from_pretrained(
        options.checkpoint, dtype=torch.float32
    ).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(options.checkpoint)
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.checkpoint)
    about = {
        "id": options.id or options.out.name,
        "licence": options.licence,
        "origin": "infra/train/convert/blip.py",
    }
    convert(
        model,
        processor,
        tokenizer,
        options.out,
        about,
        options.prompt,
        options.max_tokens,
        options.language,
    )

    pictures = [Image.open(file).convert("RGB") for file in options.picture] or list(
        drawn_pictures()
    )
    pixels = processor(images=pictures, return_tensors="pt")["pixel_values"].numpy()
    refuse_differences(model, tokenizer, OnnxCaptioner(options.out), pixels, options.language)
    print(f"{options.out} writes what transformers writes")


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument(
        "--id", help="how the model is called; without it, the name of the folder OUT"
    )
    parser.add_argument("--licence", default="BSD-3-Clause", help="licence of the weights")
    parser.add_argument(
        "--prompt", default="", help='words every caption begins with, such as "a picture of"'
    )
    parser.add_argument("--max-tokens", type=int, default=30, help="most tokens of a caption")
    parser.add_argument("--language", default="en", help="what the model writes")
    parser.add_argument(
        "--picture",
        type=pathlib.Path,
        action="append",
        default=[],
        help="compare on this, not on drawn ones",
    )
    return parser.parse_args()


def convert(model, processor, tokenizer, folder, about, prompt="", max_tokens=30, language="en"):
    """Write the folder. `about` has id, licence and origin for `model.toml`."""
    text = model.config.text_config
    # Like `generate`: BLIP's own start token, and no end token.
    ids = [text.bos_token_id, *tokenizer(prompt, add_special_tokens=False)["input_ids"]]
    if len(ids) + max_tokens > text.max_position_embeddings:
        raise SystemExit(
            f"{len(ids)} tokens of prompt and {max_tokens} more: "
            f"the model has {text.max_position_embeddings} places"
        )
    image = image_settings(processor, model.config.vision_config.image_size)
    write_graphs(model, folder)
    save_tokenizer(tokenizer, folder)
    comment = [
        "BLIP, which writes a sentence about a picture. "
        "The prompt's words are not part of the caption."
    ]
    decoder = {"max_tokens": max_tokens, "end": text.sep_token_id}
    write_manifest(folder, comment, about, image, decoder, {language: ids})


def image_settings(processor, side):
    """`[image]` of `model.toml`; refuses settings that it cannot express."""
    settings = processor.to_dict()
    size = dict(settings["size"])
    wanted = (
        settings["do_resize"]
        and settings["do_rescale"]
        and settings["do_normalize"]
        and not settings.get("do_center_crop")
    )
    if not wanted or not np.isclose(settings["rescale_factor"] * 255, 1):
        raise SystemExit(
            "the preprocessor does not resize, divide by 255 and normalise, and nothing else"
        )
    if size.get("height") != side or size.get("width") != side:
        raise SystemExit(
            f"the preprocessor makes pictures of {size}, the model takes {side} x {side}"
        )
    return {
        "width": side,
        "height": side,
        "resize": "squash",
        "filter": FILTERS[settings["resample"]],
        "mean": list(settings["image_mean"]),
        "std": list(settings["image_std"]),
    }


def save_tokenizer(tokenizer, folder):
    """Removes truncation and padding, which a checkpoint may contain."""
    plain = tokenizer.backend_tokenizer
    plain.no_truncation()
    plain.no_padding()
    plain.save(str(folder / TOKENIZER))


if __name__ == "__main__":
    main()
