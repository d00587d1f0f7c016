"""The pixels that a family's own processor makes, as files for exact comparison."""

import numpy as np
import torch
from PIL import Image, ImageOps


def golden_pixels(processor, file, folder, unrounded=False):
    """The picture's name and size as it is seen, and the input for PyTorch.

    Whole pixel levels go into NAME.png, what is left of them (in 1/256) into NAME.fraction.png
    where there is any.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Processors ignore the orientation, so the picture is turned before.
    upright = ImageOps.exif_transpose(Image.open(file)).convert("RGB")
    normalised = (
        processor(images=upright, return_tensors="pt")["pixel_values"][0].numpy().astype(np.float64)
    )
    mean, std = (
        np.array(values).reshape(3, 1, 1) for values in (processor.image_mean, processor.image_std)
    )
    levels = np.clip((normalised * std + mean) * 255, 0, 255).transpose(1, 2, 0)
    steps = (
        np.round(levels * 256).astype(np.int64)
        if unrounded
        else np.round(levels).astype(np.int64) * 256
    )
    assert unrounded or np.abs(levels * 256 - steps).max() < 1, (
        "the processor does not round pixels"
    )
    steps = np.minimum(steps, 255 * 256)
    Image.fromarray((steps // 256).astype(np.uint8)).save(
        folder / f"{file.stem}.png", optimize=True
    )
    if unrounded:
        Image.fromarray((steps % 256).astype(np.uint8)).save(
            folder / f"{file.stem}.fraction.png", optimize=True
        )
    # The expected vectors belong to exactly the pixels in the files.
    stored = ((steps / 256 / 255).transpose(2, 0, 1) - mean) / std
    golden = {"file": file.name, "width": upright.width, "height": upright.height}
    return golden, torch.tensor(stored[None], dtype=torch.float32)
