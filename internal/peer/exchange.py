"""Exchanges weights with unnas: the test of it is TestPyTorch of internal/golden.

    python3 exchange.py folder

The folder holds case.json, weights.safetensors and input.f32 of a network of unnas.
Its weights are given to the same network in PyTorch. Logits of that go to .f32
files, the weights to files of torch.save in all forms that are read.
"""
import functools
import json
import re
import struct
import sys
from collections import OrderedDict
from pathlib import Path

import torch

import networks

# How the published names follow from those of networks.py, one rule after the other.
POOLS = "|".join(str(k) for k, name in enumerate(networks.NAMES) if "pool" in name)
RULES = [
    (r"^stem\.second\.", "stem1."),
    (r"\.adapt(\d)\.(?=\d)", r".preprocess\1.op."),
    (r"\.adapt(\d)\.", r".preprocess\1."),
    (r"\.ops\.(\d+)\.(?=\d)", r"._ops.\1.op."),
    (r"\.ops\.(\d+)\.", r"._ops.\1."),
    (rf"\.edges\.(\d+)\.({POOLS})\.", r"._ops.\1._ops.\2."),
    (r"\.edges\.(\d+)\.(\d)\.(?=\d)", r"._ops.\1._ops.\2.op."),
    (r"\.edges\.(\d+)\.(\d)\.", r"._ops.\1._ops.\2."),
    (r"(preprocess0|_ops\.\d+)\.first\.", r"\1.conv_1."),
    (r"(preprocess0|_ops\.\d+)\.second\.", r"\1.conv_2."),
    (r"(preprocess0|_ops\.\d+)\.norm\.", r"\1.bn."),
    (r"^alphas\.0$", "alphas_normal"),
    (r"^alphas\.1$", "alphas_reduce"),
    (r"^auxiliary\.features\.2\.1\.", "auxiliary_head.features.N."),
    (r"^auxiliary\.features\.2\.0\.", "auxiliary_head.features.2."),
    (r"^auxiliary\.features\.4\.", "auxiliary_head.features.6."),
    (r"^auxiliary\.features\.3\.", "auxiliary_head.features.5."),
    (r"^auxiliary_head\.features\.N\.", "auxiliary_head.features.3."),
    (r"^auxiliary\.linear\.", "auxiliary_head.classifier."),
    (r"^head\.linear\.", "classifier.classifier."),
    (r"^head\.image\.", "classifier.classifier.aspp5."),
    (r"^head\.branches\.(\d)\.", lambda m: f"classifier.classifier.aspp{int(m[1]) + 1}."),
    (r"^head\.classifier\.1\.", "classifier.classifier.classifier.3."),
    (r"^head\.classifier\.0\.", "classifier.classifier.classifier."),
]


# The same of the networks of dense.py, which have most names already.
DENSE = [(r"\.first\.", ".conv_1."), (r"\.second\.", ".conv_2."), (r"(layers\.\d+|<-\d\.\d)\.norm\.", r"\1.bn."), (r"^head\.linear\.", "classifier.classifier.")]


def published(name, stem):
    if stem in ("nasbench201", "transnas"):
        for pattern, to in DENSE:
            name = re.sub(pattern, to, name)
        return name
    for pattern, to in [(r"^stem\.first\.", "stem0." if stem == "imagenet" else "stem."), *RULES]:
        name = re.sub(pattern, to, name)
    return name


def read_safetensors(path):
    data = path.read_bytes()
    (n,) = struct.unpack("<Q", data[:8])
    tensors = OrderedDict()
    for name, entry in json.loads(data[8 : 8 + n]).items():
        begin, end = (8 + n + at for at in entry["data_offsets"])
        tensors[name] = torch.frombuffer(bytearray(data[begin:end]), dtype=torch.float32).reshape(entry["shape"])
    return tensors


class Segmenting(networks.Stack):
    """Cells of a genotype, and a head that labels pixels."""

    def __init__(self, stem, width, cells, reductions, head):
        super().__init__(functools.partial(networks.DerivedCell, networks.DARTS_V2), stem, width, cells, reductions)
        self.head = head(self.channels)

    def forward(self, x):
        s0, s1 = self.stem(x)
        for cell in self.cells:
            s0, s1 = s1, cell(s0, s1)
        return self.head(s1)


def build(case):
    stem, width, cells, classes = (case[k] for k in ("stem", "width", "cells", "classes"))
    if case["network"] == "evaluated":
        return networks.Evaluated(stem, width, cells, classes, case["auxiliary"])
    if case["network"] == "supernet":
        return networks.Supernet(stem, width, cells, case["reductions"], lambda c: networks.Classifier(c, classes))
    head = lambda c: networks.ASPP(c, case["channels"], case["rates"], classes)
    return Segmenting(stem, width, cells, case["reductions"], head)


def main():
    folder = Path(sys.argv[1])
    case = json.loads((folder / "case.json").read_text())
    torch.set_num_threads(1)  # the networks are small
    net = build(case).eval()
    theirs = {published(name, case["stem"]): name for name in net.state_dict()}
    x = torch.frombuffer(bytearray((folder / "input.f32").read_bytes()), dtype=torch.float32).reshape(case["input"])

    def load(weights):
        counts = {n: v for n, v in net.state_dict().items() if n.endswith("num_batches_tracked")}
        net.load_state_dict({theirs[n]: v for n, v in weights.items()} | counts)

    def run(name):
        with torch.no_grad():
            outputs = net(x)
        for kind, y in zip(["logits", "auxiliary"], outputs if isinstance(outputs, tuple) else [outputs]):
            (folder / f"{name}-{kind}.f32").write_bytes(y.contiguous().numpy().tobytes())

    def save(name, saved, **options):
        torch.save(saved, folder / f"{name}.pth", **options)

    weights = read_safetensors(folder / "weights.safetensors")
    load(weights)
    run("weights")
    # What was loaded is saved under the published names, counts of batches too.
    state = OrderedDict((p, net.state_dict()[name]) for p, name in theirs.items())
    checkpoint = {"epoch": 1, "model_state": OrderedDict((f"module.{n}", v) for n, v in state.items()), "cfg": "A: 1\n"}
    save("zip", state)
    save("legacy", state, _use_new_zipfile_serialization=False)
    save("checkpoint", checkpoint)
    save("checkpoint_legacy", checkpoint, _use_new_zipfile_serialization=False)
    half = OrderedDict((n, v.half()) for n, v in weights.items())
    save("half", half)
    load({n: v.float() for n, v in half.items()})
    run("half")


if __name__ == "__main__":
    main()
