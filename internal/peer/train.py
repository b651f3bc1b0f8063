#!/usr/bin/env python3
"""Trains a network of cells on CIFAR-10 in PyTorch, as darts.Train does, on one thread.

    python3 internal/peer/train.py [--genotype FILE] [--epochs N] [--seed N] folder

The folder holds the binary version, data_batch_*.bin and test_batch.bin; parts of
the files will do. FILE is the genotype.json of a search; without it the cells are
those of darts_v2. After every epoch it prints the epoch, loss and accuracy of the
views that the network learned from, and loss and accuracy of the test images. It
needs Python with torch and numpy.
"""
import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import networks

MEAN = torch.tensor([125.3, 123.0, 113.9]).view(3, 1, 1)
STD = torch.tensor([63.0, 62.1, 66.7]).view(3, 1, 1)
PADDING = 4


def load(folder, pattern):
    """Returns normalised images [N, 3, 32, 32] and their labels."""
    files = sorted(folder.glob(pattern))
    if not files:
        raise SystemExit(f"no {pattern} in {folder}")
    records = np.concatenate([np.fromfile(f, np.uint8).reshape(-1, 3073) for f in files])
    images = torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32))
    images = ((images - MEAN) / STD).contiguous(memory_format=torch.channels_last)
    return images, torch.from_numpy(records[:, 0].astype(np.int64))


def augment(images):
    """Returns random windows of the padded images, half of them mirrored."""
    padded = F.pad(images, [PADDING] * 4)
    n = len(images)
    y, x = torch.randint(0, 2 * PADDING + 1, (2, n, 1))
    columns = x + torch.arange(32)
    columns = torch.where(torch.rand(n, 1) < 0.5, columns, columns.flip(1))
    rows = y + torch.arange(32)
    at = torch.arange(n)[:, None, None]
    return padded[at, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)  # channels last in memory


def tally(logits, labels):
    """Returns the sums of loss and hits, and how many there are."""
    loss = F.cross_entropy(logits, labels, reduction="sum")
    return np.array([loss.item(), (logits.argmax(1) == labels).sum().item(), len(labels)])


def learn(net, sgd, images, labels, batch):
    net.train()
    total = np.zeros(3)
    for chosen in torch.randperm(len(images)).split(batch):
        if len(chosen) < batch:  # whole batches only
            break
        sgd.zero_grad()
        logits = net(augment(images[chosen]))
        F.cross_entropy(logits, labels[chosen]).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5)
        sgd.step()
        total += tally(logits.detach(), labels[chosen])
    return total[:2] / total[2]


def evaluate(net, images, labels):
    net.eval()
    total = np.zeros(3)
    with torch.inference_mode():
        for x, y in zip(images.split(100), labels.split(100)):
            total += tally(net(x), y)
    return total[:2] / total[2]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("folder", type=Path)
    p.add_argument("--genotype", type=Path)
    p.add_argument("--width", type=int, default=8)
    p.add_argument("--cells", type=int, default=5)
    p.add_argument("--epochs", type=int, default=8)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    edges = networks.DARTS_V2
    if a.genotype:
        genotype = json.loads(a.genotype.read_text())
        edges = genotype["normal"], genotype["reduce"]
    images, labels = load(a.folder, "data_batch_*.bin")
    test = load(a.folder, "test_batch.bin")
    net = networks.Evaluated("cifar", a.width, a.cells, 10, False, edges).to(memory_format=torch.channels_last)
    print(sum(p.numel() for p in net.parameters()), "parameters", flush=True)
    sgd = torch.optim.SGD(net.parameters(), 0.025, momentum=0.9, weight_decay=3e-4)
    for epoch in range(a.epochs):
        sgd.param_groups[0]["lr"] = 0.025 * (1 + math.cos(math.pi * epoch / a.epochs)) / 2
        figures = *learn(net, sgd, images, labels, a.batch), *evaluate(net, *test)
        print(epoch + 1, *(f"{v:.4f}" for v in figures), sep="\t", flush=True)


main()
