#!/usr/bin/env python3
"""Makes golden cases of whole networks: supernets, and steps of searches and trainings.

    python3 internal/peer/golden.py folder [name ...]

It computes in float64 with the networks of networks.py, and writes a safetensors file
for each case. Rounding alone may flip a case on a kink of a ReLU or of a max pooling,
so each is vetted: relative noise of 1e-7 on weights and inputs, six times, must not
move a result by more than a share of the tolerance; if it does, the case is drawn
anew. A case of micro-batches must give what processes of DistributedDataParallel give
that share them. It needs Go, and Python with torch, numpy and scipy.
"""
import json
import math
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from scipy import special
from torch import distributed, multiprocessing, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

import dense
import networks
from exchange import Segmenting, published
from operations import NAMES, Halve, candidate, norm

NOISE, DRAWS, SHARE = 1e-7, 6, 0.3
ROOT = Path(__file__).resolve().parents[2]


def draws(*requests):
    """Returns the numbers that unnas draws: (kind, seed, purpose, epoch, index, n) each."""
    lines = "".join(f'{k} {s} "{p}" {e} {i} {n}\n' for k, s, p, e, i, n in requests)
    out = subprocess.run(["go", "run", "./internal/peer/draws"], cwd=ROOT, input=lines, text=True, check=True, stdout=subprocess.PIPE)
    return [torch.tensor(json.loads(line), dtype=torch.float64) for line in out.stdout.splitlines()]


# Networks.


class Jigsaw(nn.Module):
    """Joins the features of the tiles of an image."""

    def __init__(self, tiles, inputs, classes):
        super().__init__()
        self.tiles, self.linear = tiles, nn.Linear(tiles * inputs, classes)

    def forward(self, x):
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)
        return self.linear(x.reshape(len(x) // self.tiles, -1))


class PartialCell(networks.Cell):
    """A mixed cell of PC-DARTS: edges mix a part of the channels, the others pass by."""

    def __init__(self, parts, before, previous, channels, reduces, after_reduction):
        super().__init__(before, previous, channels, reduces, after_reduction, False)
        self.parts, self.mixed = parts, channels // parts
        self.strides = [2 if reduces and j < 2 else 1 for i in range(4) for j in range(2 + i)]
        self.edges = nn.ModuleList(nn.ModuleList(candidate(n, self.mixed, s) for n in NAMES) for s in self.strides)

    def forward(self, s0, s1, weights):
        alphas, betas = weights
        states, edge = [self.adapt0(s0), self.adapt1(s1)], 0
        for i in range(4):
            share = F.softmax(betas[edge : edge + 2 + i], 0)
            first = rest = 0
            for state, b in zip(states, share):
                first = first + b * sum(w * op(state[:, : self.mixed]) for w, op in zip(alphas[edge], self.edges[edge]))
                rest = rest + b * (state if self.strides[edge] == 1 else F.max_pool2d(state, 2))
                edge += 1
            y = torch.cat([first, rest[:, self.mixed :]], 1)
            n, c, h, w = y.shape
            states.append(y.reshape(n, self.parts, c // self.parts, h, w).transpose(1, 2).reshape(n, c, h, w))
        return torch.cat(states[2:], 1)


class Supernet(networks.Stack):
    """A supernet whose weights of operations follow from alphas by weigh."""

    def __init__(self, case, reductions, head):
        parts = case.get("partial", 1)
        cell = networks.MixedCell if parts == 1 else lambda *a: PartialCell(parts, *a)
        columns = 8
        if case.get("space") == "s1":
            cell, columns = dense.S1Cell, 2
        super().__init__(cell, case["stem"], case["width"], case["depth"], reductions)
        self.head = head(self.channels)
        self.alphas = nn.ParameterList(nn.Parameter(torch.zeros(14, columns)) for _ in range(2))
        if parts > 1:
            self.betas = nn.ParameterList(nn.Parameter(torch.zeros(14)) for _ in range(2))
        self.noise = [None, None]
        self.weigh = lambda alphas, noise: F.softmax(alphas, -1)

    def forward(self, x):
        s0, s1 = self.stem(x)
        weights = [self.weigh(a, noise) for a, noise in zip(self.alphas, self.noise)]
        if hasattr(self, "betas"):
            weights = list(zip(weights, self.betas))
        for cell in self.cells:
            s0, s1 = s1, cell(s0, s1, weights[cell.reduces])
        return self.head(s1)


def gumbel(temperature):
    """One operation of each row; the gradient of what was drawn is that of a softmax."""

    def weigh(alphas, noise):
        soft = F.softmax((alphas + noise) / temperature, -1)
        drawn = F.one_hot((alphas + noise).argmax(-1), soft.shape[1]).to(soft)
        return drawn * (1 + soft - soft.detach())

    return weigh


class GammaQuantile(torch.autograd.Function):
    """The quantile of Gamma distributions at the levels of normal numbers."""

    @staticmethod
    def quantile(a, z):
        return np.where(z < 0, special.gammaincinv(a, special.ndtr(z)), special.gammainccinv(a, special.ndtr(-z)))

    @staticmethod
    def forward(ctx, concentration, z):
        a, z = concentration.detach().numpy(), z.numpy()
        h = 1e-4 * a
        slope = (GammaQuantile.quantile(a + h, z) - GammaQuantile.quantile(a - h, z)) / (2 * h)
        ctx.slope = torch.from_numpy(slope)
        return torch.from_numpy(GammaQuantile.quantile(a, z))

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.slope, None


def dirichlet(alphas, noise):
    g = GammaQuantile.apply(F.elu(alphas.double()) + 1, noise).to(alphas)
    return g / g.sum(-1, keepdim=True)


# State: weights under their published names.


def names(net, stem):
    return {published(n, stem).replace("betas.0", "betas_normal").replace("betas.1", "betas_reduce"): p
            for n, p in net.named_parameters()}


def buffers(net, stem):
    return {published(n, stem): b for n, b in net.named_buffers() if not n.endswith("num_batches_tracked")}


def draw_weights(net, stem, generator):
    def normal(shape, deviation=1.0):
        return deviation * torch.randn(shape, generator=generator, dtype=torch.float64)

    weights = {}
    for name, p in names(net, stem).items():
        if name.startswith(("alphas", "betas", "arch")):
            weights[name] = normal(p.shape, 0.5)
        elif p.dim() > 1:
            weights[name] = normal(p.shape, math.sqrt(2 / p[0].numel()))
        else:
            weights[name] = normal(p.shape, 0.1) + (0.0 if name.endswith("bias") else 1.0)
    return {n: w.float().double() for n, w in weights.items()}


def given(net, stem, weights, dtype):
    net.to(dtype)
    with torch.no_grad():
        for name, p in names(net, stem).items():
            p.copy_(weights[name])
        for name, b in buffers(net, stem).items():
            b.fill_(1.0 if name.endswith("var") else 0.0)
    return net


def record(tensors):
    return {n: t.detach().double().clone() for n, t in tensors.items()}


# Kinds of cases. compute returns the results for given weights and inputs.


class Search:
    """One pass of a supernet: output, loss, gradients, running statistics."""

    def __init__(self, task, head, inputs, target, reductions=None, **case):
        self.case = {"kind": "search", "task": task, "in_channels": 3, **case}
        self.head, self.shape, self.target = head, inputs, target
        self.reductions = reductions or networks.thirds(case["depth"])

    def build(self):
        return Supernet(self.case, self.reductions, self.head)

    def draw(self, generator):
        x = torch.randn(self.shape, generator=generator, dtype=torch.float64).float().double()
        return {"input": x, "target": self.target(generator)}

    def logits(self, net, x):
        x = x.flatten(0, 1) if x.dim() == 5 else x  # the tiles of a jigsaw
        y = net(x)
        return F.interpolate(y, x.shape[2:], mode="bilinear", align_corners=True) if y.dim() == 4 else y

    def compute(self, weights, inputs, dtype):
        stem = self.case["stem"]
        net = given(self.build(), stem, weights, dtype)
        x = inputs["input"].to(dtype).detach().clone().requires_grad_()
        net.train()
        y = self.logits(net, x)
        loss = F.cross_entropy(y, inputs["target"], ignore_index=255)
        loss.backward()
        out = {"output": y, "loss": loss.reshape(1), "grad.input": x.grad}
        out |= {f"grad.{n}": p.grad for n, p in names(net, stem).items()}
        out |= {f"buffer.{n}": b for n, b in buffers(net, stem).items()}
        out = record(out)
        net.eval()
        with torch.no_grad():
            return out | record({"output_eval": self.logits(net, x)})

    def tolerances(self, results, moved, single):
        """Returns tolerance and floor, or None if the case is to be drawn anew."""
        gradients = [v.norm() for n, v in results.items() if n.startswith("grad.")]
        floor = 1e-4 * max(gradients).item()
        error = distance(results, single, floor)
        tolerance = max(1e-4, 10 * error)
        if error > 1e-4 or max(distance(results, m, floor) for m in moved) > SHARE * tolerance:
            return None
        return tolerance, floor


class Evaluation(Search):
    """The same of the network of a genotype."""

    def __init__(self, *arguments, **case):
        normal, reduce = networks.DARTS_V2
        genotype = {"normal": normal, "normal_concat": [2, 3, 4, 5], "reduce": reduce, "reduce_concat": [2, 3, 4, 5]}
        super().__init__(*arguments, genotype=genotype, **case)
        self.case["kind"] = "eval"

    def build(self):
        c = self.case
        return Segmenting(c["stem"], c["width"], c["depth"], self.reductions, self.head)


class DenseSearch(Search):
    """One pass of a supernet of a benchmark's cells."""

    def build(self):
        c = self.case
        return dense.Supernet(c["stem"], c["width"], c["depth"], self.head)


class DenseEvaluation(DenseSearch):
    """The same of the network of a cell."""

    def __init__(self, names, *arguments, **case):
        super().__init__(*arguments, **case)
        self.names = names
        sources = [j for i in range(1, 4) for j in range(i)]
        self.case |= {"kind": "eval", "genotype": {"normal": [list(e) for e in zip(names, sources)]}}

    def build(self):
        c = self.case
        return dense.Derived(c["stem"], c["width"], c["depth"], self.names, self.head)


class Trajectory:
    """Some steps of a training or of a bilevel search."""

    def draw(self, generator):
        inputs = {}
        for step in range(self.case["steps"]):
            for half in self.halves:
                x = torch.randn(self.shape, generator=generator, dtype=torch.float64).float().double()
                inputs[f"step.{step}.{half}.input"] = x
                inputs[f"step.{step}.{half}.target"] = torch.randint(self.case["classes"], self.shape[:1], generator=generator)
        return inputs

    def tolerances(self, results, moved, single):
        floor = 1e-3
        deviation = max(distance(results, m, floor) for m in moved)
        if deviation > 1e-5 or distance(results, single, floor) > 1e-4:
            return None
        return max(1e-4, 30 * deviation), floor


class SearchSteps(Trajectory):
    """Steps of a search: the alphas by Adam, then the weights by SGD.

    Losses and gradients are means over the micro-batches of a batch, of which each is
    normalised by statistics of its own.
    """

    halves = ["train", "val"]

    def __init__(self, shape, **case):
        self.shape = shape
        self.case = {
            "kind": "trajectory", "task": "cls", "stem": "cifar", "in_channels": 3, "size": shape[2], "batch": shape[0],
            "steps": 3, "lr": 0.1, "arch_lr": 0.02, "momentum": 0.9, "weight_decay": 3e-4, "arch_weight_decay": 1e-3,
            "clip": 5.0, "epochs": 5, "epoch": 2, "seed": 1, **case,
        }
        self.micro = self.case.get("micro_batch", shape[0])
        kind = {"gdas": "gumbel", "drnas": "normal"}.get(self.case["algorithm"])
        self.noise = None
        if kind:
            prefix = {"gdas": "gumbel", "drnas": "dirichlet"}[self.case["algorithm"]]
            requests = [(kind, 1, f"{prefix} {purpose}", 2, step, 2 * 14 * 8)
                        for step in range(self.case["steps"]) for purpose in ["alphas", "weights"]]
            # unnas holds them in float32
            self.noise = [d.float().double().reshape(2, 14, 8) for d in draws(*requests)]

    def build(self):
        net = Supernet(self.case, networks.thirds(self.case["depth"]), lambda c: networks.Classifier(c, self.case["classes"]))
        if self.case["algorithm"] == "gdas":
            net.weigh = gumbel(10 + (0.1 - 10) * self.case["epoch"] / (self.case["epochs"] - 1))
        if self.case["algorithm"] == "drnas":
            net.weigh = dirichlet
        return net

    def compute(self, weights, inputs, dtype):
        c, stem = self.case, self.case["stem"]
        net = given(self.build(), stem, weights, dtype).train()
        params = names(net, stem)
        arch = [p for n, p in params.items() if n.startswith(("alphas", "betas"))]
        rest = [p for n, p in params.items() if not n.startswith(("alphas", "betas"))]
        adam = torch.optim.Adam(arch, c["arch_lr"], (0.5, 0.999), 1e-8, c["arch_weight_decay"])
        sgd = torch.optim.SGD(rest, c["lr"], c["momentum"], weight_decay=c["weight_decay"])
        out = {}

        def loss(step, half):
            return self.loss(net, self.parts(inputs, step, half, dtype))

        for step in range(c["steps"]):
            if self.noise:
                net.noise = [n.to(dtype) if c["algorithm"] == "gdas" else n for n in self.noise[2 * step]]
            if c["algorithm"] == "second_order":
                val = self.unrolled(loss, step, arch, rest, sgd)
            else:
                val = self.gradient(net, self.parts(inputs, step, "val", dtype), arch)
            out[f"step.{step}.val_loss"] = val.reshape(1)
            adam.step()
            if self.noise:
                net.noise = [n.to(dtype) if c["algorithm"] == "gdas" else n for n in self.noise[2 * step + 1]]
            train = self.gradient(net, self.parts(inputs, step, "train", dtype), rest)
            nn.utils.clip_grad_norm_(rest, c["clip"])
            sgd.step()
            out[f"step.{step}.train_loss"] = train.reshape(1)
            out = record(out)
        if self.micro < c["batch"]:
            out |= record({f"final.buffer.{n}": b for n, b in buffers(net, stem).items()})
        return out | record({f"final.param.{n}": p for n, p in params.items()})

    def parts(self, inputs, step, half, dtype):
        """Returns images and labels of each micro-batch."""
        x, y = inputs[f"step.{step}.{half}.input"].to(dtype), inputs[f"step.{step}.{half}.target"]
        return list(zip(x.split(self.micro), y.split(self.micro)))

    def loss(self, net, parts):
        return torch.stack([F.cross_entropy(net(x), y) for x, y in parts]).mean()

    def gradient(self, net, parts, params):
        """Leaves the gradient of the loss with the parameters, and returns the loss."""
        loss = self.loss(net, parts)
        for p, g in zip(params, torch.autograd.grad(loss, params)):
            p.grad = g
        return loss

    def unrolled(self, loss, step, arch, rest, sgd):
        """Leaves the gradient of second order with the alphas; equations 6 to 8 of DARTS."""
        c = self.case
        kept = [p.detach().clone() for p in rest]

        def place(values):
            with torch.no_grad():
                for p, v in zip(rest, values):
                    p.copy_(v)

        grads = torch.autograd.grad(loss(step, "train"), rest)
        ahead = []
        for p, g in zip(rest, grads):
            velocity = sgd.state[p].get("momentum_buffer", torch.zeros_like(p))
            ahead.append(p.detach() - c["lr"] * (c["momentum"] * velocity + g + c["weight_decay"] * p.detach()))
        place(ahead)
        val = loss(step, "val")
        both = torch.autograd.grad(val, arch + rest)
        direct, vector = both[: len(arch)], both[len(arch) :]
        epsilon = 0.01 / math.sqrt(sum((v * v).sum().item() for v in vector))
        sides = []
        for sign in (1, -1):
            place([k + sign * epsilon * v for k, v in zip(kept, vector)])
            sides.append(torch.autograd.grad(loss(step, "train"), arch))
        place(kept)
        for p, g, plus, minus in zip(arch, direct, *sides):
            p.grad = g - c["lr"] * (plus - minus) / (2 * epsilon)
        return val


class SharedSteps(SearchSteps):
    """First-order steps whose micro-batches the processes of DistributedDataParallel can share."""

    processes, rank = 2, None  # the rank of this process; None takes all micro-batches

    def gradient(self, net, parts, params):
        if self.rank is None:
            return super().gradient(net, parts, params)
        if self.shared is None:
            self.shared = DistributedDataParallel(net)
        net.zero_grad()
        mine = parts[self.rank :: self.processes]
        total = torch.zeros(1, dtype=torch.float64)
        for i, part in enumerate(mine):
            self.shared.require_backward_grad_sync = i == len(mine) - 1
            loss = self.loss(self.shared, [part]) / len(mine)
            loss.backward()
            total += loss.detach()
        distributed.all_reduce(total)
        return total / self.processes

    def process(self, rank, folder, weights, inputs):
        torch.set_num_threads(1)
        distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=self.processes)
        self.rank, self.shared = rank, None
        torch.save(self.compute(weights, inputs, torch.float64), f"{folder}/{rank}")
        distributed.destroy_process_group()

    def verify(self, weights, inputs, results):
        """Fails unless processes that share the micro-batches get the same results."""
        with tempfile.TemporaryDirectory() as folder:
            multiprocessing.spawn(self.process, (folder, weights, inputs), self.processes)
            found = [torch.load(f"{folder}/{rank}") for rank in range(self.processes)]
        # DistributedDataParallel has the running statistics of rank 0.
        wanted = {n: v for n, v in results.items() if not n.startswith("final.buffer")}
        for rank, f in enumerate(found):
            error = distance(wanted, f, 1e-3)
            print(f"rank {rank} of {self.processes} differs by {error:.2g}", flush=True)
            if error > 1e-9:
                raise SystemExit("DistributedDataParallel gives other results")


class TrainSteps(Trajectory):
    """Steps of the training of a network: every device of the evaluation phase."""

    halves = ["train"]

    def __init__(self, shape, **case):
        self.shape = shape
        self.case = {
            "kind": "training", "task": "cls", "stem": "cifar", "in_channels": 3, "size": shape[2], "batch": shape[0],
            "steps": 3, "lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 3e-3, "clip": 1.0,
            "auxiliary": 0.4, "drop_path": 0.4, "ema_decay": 0.8, "smoothing": 0.1, "epochs": 2, "epoch": 1, "seed": 1,
            # A tensor too large to keep is scale·sin(1.7·i + 0.3).
            "drawn": {"auxiliary_head.features.5.weight": 0.06}, **case,
        }
        edges = [e for i in range(case["depth"]) for e in networks.DARTS_V2[i in networks.thirds(case["depth"])]]
        # No path leads through an identity; a skip connection that strides is none.
        self.per_step = self.case["batch"] * self.paths()
        self.uniform = draws(*[("uniform", 1, "paths", 1, step, self.per_step) for step in range(self.case["steps"])])

    def paths(self):
        return sum(not isinstance(op, nn.Identity) for cell in self.build().cells for op in cell.ops)

    def build(self):
        return networks.Evaluated(self.case["stem"], self.case["width"], self.case["depth"], self.case["classes"], True)

    def compute(self, weights, inputs, dtype):
        c, stem = self.case, self.case["stem"]
        net = given(self.build(), stem, weights, dtype).train()
        params, state = names(net, stem), buffers(net, stem)
        drop = c["drop_path"] * c["epoch"] / c["epochs"]
        factors = []

        def scale(_, __, y):
            return y * factors.pop(0).reshape(-1, 1, 1, 1)

        for cell in net.cells:
            for op in cell.ops:
                if not isinstance(op, nn.Identity):
                    op.register_forward_hook(scale)

        def smoothed(logits, labels):
            wrong = c["smoothing"] / (c["classes"] - 1)
            target = torch.full_like(logits, wrong).scatter(1, labels[:, None], 1 - c["smoothing"])
            return -(target * F.log_softmax(logits, 1)).sum(1).mean()

        sgd = torch.optim.SGD(params.values(), c["lr"], c["momentum"], weight_decay=c["weight_decay"], nesterov=c["nesterov"])
        average = record(params | state)
        out = {}
        for step in range(c["steps"]):
            kept = (self.uniform[step] >= drop).to(dtype) / (1 - drop)
            factors.extend(kept.reshape(-1, c["batch"]))
            logits, auxiliary = net(inputs[f"step.{step}.train.input"].to(dtype))
            labels = inputs[f"step.{step}.train.target"]
            loss = smoothed(logits, labels) + c["auxiliary"] * smoothed(auxiliary, labels)
            for p, g in zip(params.values(), torch.autograd.grad(loss, list(params.values()))):
                p.grad = g
            nn.utils.clip_grad_norm_(params.values(), c["clip"])
            sgd.step()
            for n, v in (params | state).items():
                average[n] += (1 - c["ema_decay"]) * (v.detach().double() - average[n])
            out[f"step.{step}.train_loss"] = loss.detach().double().reshape(1).clone()
        for n in params:
            out |= {f"final.param.{n}": params[n], f"final.average.{n}": average[n]}
        for n in state:
            out |= {f"final.buffer.{n}": state[n], f"final.average.{n}": average[n]}
        return record(out)


def distance(a, b, floor):
    return max(((b[n] - v).norm() / max(v.norm().item(), floor)).item() for n, v in a.items())


# Vetting and writing.


def vetted(kind, name):
    stem = kind.case["stem"]
    for seed in range(200):
        generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        weights = draw_weights(kind.build(), stem, generator)
        for n, deviation in kind.case.get("drawn", {}).items():
            i = torch.arange(weights[n].numel(), dtype=torch.float64)
            weights[n] = (deviation * torch.sin(1.7 * i + 0.3)).float().double().reshape(weights[n].shape)
        inputs = kind.draw(generator)
        results = kind.compute(weights, inputs, torch.float64)

        def noisy(tensors):
            return {n: v * (1 + NOISE * torch.randn(v.shape, generator=generator, dtype=v.dtype)) if v.is_floating_point() else v
                    for n, v in tensors.items()}

        moved = [kind.compute(noisy(weights), noisy(inputs), torch.float64) for _ in range(DRAWS)]
        limits = kind.tolerances(results, moved, kind.compute(weights, inputs, torch.float32))
        if limits:
            print(f"{name}: seed {seed}, tolerance {limits[0]:.2g}", flush=True)
            return weights, inputs, results, limits
    raise SystemExit(f"{name}: no seed passes; make the network smaller")


def write(path, case, tensors):
    header, data = {"__metadata__": {"case": json.dumps(case)}}, b""
    for name, v in tensors.items():
        whole = not v.is_floating_point()
        b = v.contiguous().numpy().astype(np.int64 if whole else np.float32).tobytes()
        header[name] = {"dtype": "I64" if whole else "F32", "shape": list(v.shape), "data_offsets": [len(data), len(data) + len(b)]}
        data += b
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def digested(results, large):
    """Replaces large tensors by their products with a few waves."""
    out = {}
    for name, v in results.items():
        if any(name.endswith(n) for n in large):
            i = torch.arange(v.numel(), dtype=torch.float64)
            v = torch.stack([(v.flatten() * torch.cos((k + 1) * 0.1 * i)).sum() for k in range(4)])
            name = name.replace("final.", "digest.")
        out[name] = v
    return out


def classes(count, n):
    return lambda generator: torch.randint(count, (n,), generator=generator)


def pixels(count, *shape):
    def draw(generator):
        labels = torch.randint(count, shape, generator=generator)
        labels[torch.rand(shape, generator=generator) < 0.1] = 255
        return labels

    return draw


CASES = {
    "search-cifar-jig": lambda: Search(
        "jig", lambda c: Jigsaw(9, c, 24), (2, 9, 3, 8, 8), classes(24, 2),
        stem="cifar", width=2, depth=3, classes=24, size=8, batch=2),
    "search-imagenet-cls": lambda: Search(
        "cls", lambda c: networks.Classifier(c, 10), (3, 3, 48, 48), classes(10, 3),
        stem="imagenet", width=2, depth=3, classes=10, size=48, batch=3),
    "search-cityscapes-seg": lambda: Search(
        "seg", lambda c: networks.ASPP(c, 4, [6], 5), (2, 3, 33, 33), pixels(5, 2, 33, 33), reductions=(1,),
        stem="imagenet", width=2, depth=4, classes=5, size=33, batch=2, aspp_channels=4, aspp_rates=[6]),
    "eval-darts-v2-seg": lambda: Evaluation(
        "seg", lambda c: networks.ASPP(c, 4, [2, 4, 6], 7), (2, 3, 25, 37), pixels(7, 2, 25, 37), reductions=(2,),
        stem="imagenet", width=2, depth=6, classes=7, size=[25, 37], batch=2, aspp_channels=4, aspp_rates=[2, 4, 6]),
    "search-s1": lambda: Search(
        "cls", lambda c: networks.Classifier(c, 10), (2, 3, 10, 10), classes(10, 2),
        stem="cifar", space="s1", width=2, depth=3, classes=10, size=10, batch=2),
    "search-nasbench201": lambda: DenseSearch(
        "cls", lambda c: networks.Classifier(c, 10), (3, 3, 12, 8), classes(10, 3),
        stem="nasbench201", width=3, depth=1, classes=10, size=[12, 8], batch=3),
    "eval-nasbench201": lambda: DenseEvaluation(
        ["nor_conv_3x3", "skip_connect", "avg_pool_3x3", "nor_conv_1x1", "none", "nor_conv_3x3"],
        "cls", lambda c: networks.Classifier(c, 10), (3, 3, 12, 8), classes(10, 3),
        stem="nasbench201", width=3, depth=2, classes=10, size=[12, 8], batch=3),
    "eval-transnas": lambda: DenseEvaluation(
        ["nor_conv_3x3", "skip_connect", "nor_conv_1x1", "skip_connect", "none", "nor_conv_3x3"],
        "cls", lambda c: networks.Classifier(c, 7), (2, 3, 32, 64), classes(7, 2),
        stem="transnas", width=2, depth=10, classes=7, size=[32, 64], batch=2),
    "trajectory-first-order": lambda: SearchSteps((4, 3, 8, 8), width=2, depth=3, classes=3, algorithm="first_order"),
    "trajectory-second-order": lambda: SearchSteps((4, 3, 8, 8), width=2, depth=3, classes=3, algorithm="second_order"),
    "trajectory-gdas": lambda: SearchSteps((4, 3, 8, 8), width=2, depth=3, classes=3, algorithm="gdas"),
    "trajectory-drnas": lambda: SearchSteps((4, 3, 8, 8), width=2, depth=3, classes=3, algorithm="drnas"),
    "trajectory-pcdarts": lambda: SearchSteps((4, 3, 8, 8), width=4, depth=3, classes=3, algorithm="first_order", partial=2),
    "trajectory-ddp": lambda: SharedSteps((16, 3, 8, 8), width=2, depth=3, classes=3, algorithm="first_order", micro_batch=4),
    "training-cifar-cls": lambda: TrainSteps((4, 3, 32, 32), width=2, depth=3, classes=3),
}


def main():
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:] or CASES:
        kind = CASES[name]()
        weights, inputs, results, (tolerance, floor) = vetted(kind, name)
        if isinstance(kind, SharedSteps):
            kind.verify(weights, inputs, results)
        drawn = kind.case.get("drawn", {})
        tensors = {f"param.{n}": w for n, w in weights.items() if n not in drawn} | inputs | digested(results, drawn)
        write(folder / f"{name}.safetensors", kind.case | {"tolerance": tolerance, "floor": floor}, tensors)


if __name__ == "__main__":
    main()
