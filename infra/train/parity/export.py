"""PyTorch modules of the families, to be written as small graphs."""

import torch


class Head(torch.nn.Module):
    """A model and the part of its output that is used."""

    def __init__(self, model, take):
        super().__init__()
        self.model = model
        self.take = take

    def forward(self, *inputs):
        return self.take(self.model, *inputs)


def liven(model, factor=2.0):
    """Random weights large enough that different inputs give different vectors."""
    with torch.no_grad():
        for name, values in model.named_parameters():
            if values.ndim >= 2:
                values.mul_(factor)
            elif "bias" in name:
                values.normal_(0, 0.1)
    return model.eval()
