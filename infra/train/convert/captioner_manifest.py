"""Writes `model.toml` of a captioner: its files, its pixels, its first and last tokens."""

import hashlib
import json

ENCODER, DECODER, TOKENIZER = "onnx/encoder_model.onnx", "onnx/decoder_model.onnx", "tokenizer.json"
_ROLES = {ENCODER: "image", DECODER: "decoder", TOKENIZER: "tokenizer"}


def write_manifest(folder, about, model, image, decoder, prompts):
    """Sizes and digests are those of the files in `folder`.

    `about` is the comment on top, `model` has what names it, `prompts` the ids a caption begins
    with by language.
    """
    lines = [*(f"# {line}" for line in about), *_settings(model)]
    for path, role in _ROLES.items():
        content = (folder / path).read_bytes()
        file = {
            "path": path,
            "role": role,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        lines += ["", "[[files]]", *_settings(file)]
    image = {"input": "pixel_values", "outputs": ["cross_kv"]} | image
    lines += ["", "[image]", *_settings(image)]
    lines += ["", "[decoder]", *_settings(decoder)]
    for language, prompt in prompts.items():
        lines += ["", "[[decoder.languages]]", *_settings({"language": language, "prompt": prompt})]
    (folder / "model.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _settings(values):
    # TOML writes strings, numbers, booleans and lists like JSON.
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
