"""A captioner's folder, run by ONNX Runtime the way the product runs it."""

import tomllib

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


class OnnxCaptioner:
    def __init__(self, folder, threads=1):
        manifest = tomllib.loads((folder / "model.toml").read_text(encoding="utf-8"))
        files = {file["role"]: folder / file["path"] for file in manifest["files"]}
        self.encoder = _session(files["image"], threads)
        self.decoder = _session(files["decoder"], threads)
        self.tokenizer = Tokenizer.from_file(str(files["tokenizer"]))
        self.settings = manifest["decoder"]
        self.prompts = {entry["language"]: entry["prompt"] for entry in self.settings["languages"]}

    def token_ids(self, pixel_values, language):
        """Tokens of each caption without prompt and end, greedily chosen in one batch."""
        (cross_kv,) = self.encoder.run(["cross_kv"], {"pixel_values": pixel_values})
        layers, rows, heads, _, width = cross_kv.shape
        past_kv = np.zeros((layers, rows, heads, 0, width), np.float32)
        fed, position = np.array([self.prompts[language]] * rows, np.int64), 0
        written, ended = [[] for _ in range(rows)], np.zeros(rows, bool)
        for _ in range(self.settings["max_tokens"]):
            places = np.arange(position, position + fed.shape[1], dtype=np.int64)[None]
            inputs = {
                "input_ids": fed,
                "position_ids": places,
                "past_kv": past_kv,
                "cross_kv": cross_kv,
            }
            logits, past_kv = self.decoder.run(["logits", "present_kv"], inputs)
            position += fed.shape[1]
            scores = logits[:, -1]
            scores[:, self.settings.get("suppress", [])] = -np.inf
            # Ended rows are still computed, but their tokens are dropped.
            fed = scores.argmax(axis=-1)[:, None]
            ended |= fed[:, 0] == self.settings["end"]
            if ended.all():
                break
            for row in np.flatnonzero(~ended):
                written[row].append(int(fed[row, 0]))
        return written

    def text(self, ids):
        """The sentence, without the leading space that some tokenizers add."""
        return self.tokenizer.decode(ids).strip()


def _session(file, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
