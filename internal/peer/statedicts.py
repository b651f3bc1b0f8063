#!/usr/bin/env python3
"""Writes the small files of weights that the tests of package ops read.

    python3 internal/peer/statedicts.py ops/testdata

They are of a CIFAR stem of 4 channels and a linear layer of 7 classes. Element j of
tensor i, of those that unnas reads, is ((7·j + 3·i) mod 64 − 32) / 16, which every
type of floats can hold.
"""
import sys
from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4))
        self.classifier = nn.Linear(4, 7)


def filled():
    net = Small()
    state = net.state_dict()
    names = [name for name in state if not name.endswith("num_batches_tracked")]
    for i, name in enumerate(names):
        j = torch.arange(state[name].numel())
        state[name].copy_((((7 * j + 3 * i) % 64 - 32) / 16).reshape(state[name].shape))
    return net


def trained(net):
    """A checkpoint as pycls keeps it, after a step without effect."""
    parallel = nn.DataParallel(net)
    sgd = torch.optim.SGD(parallel.parameters(), 0.0, momentum=0.9)
    for p in net.parameters():
        p.grad = torch.zeros_like(p)
    sgd.step()
    return {
        "epoch": 2, "model_state": parallel.state_dict(), "optimizer_state": sgd.state_dict(),
        "test_err": 12.5, "best": None, "ids": [-1, 70000, 1 << 40], "cfg": "OUT_DIR: out\n",
    }


def strided(state):
    """The same values as views: of one storage, of permuted and of repeated elements."""
    flat = torch.cat([v.flatten() for v in state.values()])
    views, at = OrderedDict(), 0
    for name, v in state.items():
        views[name] = flat[at : at + v.numel()].reshape(v.shape)
        at += v.numel()
    views["stem.0.weight"] = state["stem.0.weight"].permute(2, 3, 1, 0).contiguous().permute(3, 2, 0, 1)
    views["classifier.weight"] = state["classifier.weight"].t().contiguous().t()
    views["stem.1.running_var"] = torch.ones(1).expand(4)
    return views


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    net = filled()
    state = net.state_dict()

    def save(name, saved, **options):
        torch.save(saved, folder / f"{name}.pth", **options)

    if torch.__version__ < "2":
        save("torch1", state)
        return
    save("zip", state)
    save("legacy", state, _use_new_zipfile_serialization=False)
    save("half", OrderedDict((k, v.half() if v.is_floating_point() else v) for k, v in state.items()))
    save("bfloat16", {"state_dict": {k: v.bfloat16() for k, v in state.items()}})
    save("double", {"model": {k: v.double() for k, v in state.items()}}, _use_new_zipfile_serialization=False)
    save("parameters", dict(net.named_parameters()) | dict(net.named_buffers()))
    save("strided", strided(state))
    save("checkpoint", trained(net))
    save("checkpoint_legacy", trained(net), _use_new_zipfile_serialization=False)
    save("auxiliary", state | {"auxiliary_head.classifier.bias": torch.zeros(7)})
    save("integers", state | {"classifier.bias": torch.arange(7)})
    save("network", net)


main()
