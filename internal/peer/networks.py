"""The networks that are measured, in PyTorch, as its users would write them."""
import functools

import torch
from torch import nn
from torch.nn import functional as F

from operations import NAMES, Halve, adapt, candidate, conv_norm_relu, norm, operation

# The cells darts_v2, of package cell, normal and reduction: operations and the
# nodes that they read.
DARTS_V2 = [
    ("sep_conv_3x3", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("sep_conv_3x3", 1),
    ("sep_conv_3x3", 1), ("skip_connect", 0), ("skip_connect", 0), ("dil_conv_3x3", 2),
], [
    ("max_pool_3x3", 0), ("max_pool_3x3", 1), ("skip_connect", 2), ("max_pool_3x3", 1),
    ("max_pool_3x3", 0), ("skip_connect", 2), ("skip_connect", 2), ("max_pool_3x3", 1),
]

# The cell 00005c142e6f48ac74fdcf73e3439874 of NAS-Bench-101: for each vertex but
# input and output its operation; for each but the output those that it feeds.
NASBENCH_OPS = {1: "conv3x3", 2: "maxpool3x3", 3: "conv3x3", 4: "conv3x3", 5: "conv1x1"}
NASBENCH_EDGES = {0: (1, 4, 5), 1: (2,), 2: (3, 6), 3: (5,), 4: (5,), 5: (6,)}


class Classifier(nn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        self.linear = nn.Linear(inputs, classes)

    def forward(self, x):
        return self.linear(F.adaptive_avg_pool2d(x, 1).flatten(1))


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling; its logits are not yet enlarged."""

    def __init__(self, inputs, channels, rates, classes):
        super().__init__()
        self.branches = nn.ModuleList([conv_norm_relu(inputs, channels, 1)])
        self.branches.extend(conv_norm_relu(inputs, channels, 3, dilation=r) for r in rates)
        self.image = conv_norm_relu(inputs, channels, 1)
        self.classifier = nn.Sequential(
            conv_norm_relu((len(rates) + 2) * channels, channels, 1), nn.Conv2d(channels, classes, 1)
        )

    def forward(self, x):
        image = self.image(F.adaptive_avg_pool2d(x, 1))
        image = F.interpolate(image, x.shape[2:], mode="bilinear", align_corners=True)
        return self.classifier(torch.cat([b(x) for b in self.branches] + [image], 1))


class Normalised(nn.Module):
    """A head behind a normalisation, so that the gradient of its input is computed."""

    def __init__(self, inputs, head):
        super().__init__()
        self.norm, self.head = norm(inputs, True), head

    def forward(self, x):
        return self.head(self.norm(x))


class Stem(nn.Module):
    def __init__(self, kind, width):
        super().__init__()
        self.reduces = kind == "imagenet"
        if self.reduces:
            self.channels, half = width, width // 2
            self.first = nn.Sequential(
                nn.Conv2d(3, half, 3, 2, 1, bias=False), norm(half, True), nn.ReLU(inplace=True),
                nn.Conv2d(half, width, 3, 2, 1, bias=False), norm(width, True))
            self.second = nn.Sequential(nn.ReLU(), nn.Conv2d(width, width, 3, 2, 1, bias=False), norm(width, True))
        else:
            self.channels = 3 * width
            self.first = nn.Sequential(nn.Conv2d(3, 3 * width, 3, 1, 1, bias=False), norm(3 * width, True))

    def forward(self, x):
        s0 = self.first(x)
        return s0, self.second(s0) if self.reduces else s0


class Cell(nn.Module):
    """What the cells of DARTS have in common: the adaption of their inputs."""

    def __init__(self, before, previous, channels, reduces, after_reduction, affine):
        super().__init__()
        self.reduces = reduces
        self.adapt0 = (Halve if after_reduction else adapt)(before, channels, affine)
        self.adapt1 = adapt(previous, channels, affine)


class MixedCell(Cell):
    def __init__(self, before, previous, channels, reduces, after_reduction):
        super().__init__(before, previous, channels, reduces, after_reduction, False)
        self.edges = nn.ModuleList(
            nn.ModuleList(candidate(name, channels, 2 if reduces and j < 2 else 1) for name in NAMES)
            for i in range(4) for j in range(2 + i)
        )

    def forward(self, s0, s1, weights):
        states = [self.adapt0(s0), self.adapt1(s1)]
        edge = 0
        for _ in range(4):
            total = 0
            for state in states:
                total = total + sum(w * op(state) for w, op in zip(weights[edge], self.edges[edge]))
                edge += 1
            states.append(total)
        return torch.cat(states[2:], 1)


class DerivedCell(Cell):
    def __init__(self, edges, before, previous, channels, reduces, after_reduction):
        super().__init__(before, previous, channels, reduces, after_reduction, True)
        edges = edges[reduces]
        self.sources = [node for _, node in edges]
        self.ops = nn.ModuleList(
            operation(name, channels, 2 if reduces and node < 2 else 1, True) for name, node in edges
        )

    def forward(self, s0, s1):
        states = [self.adapt0(s0), self.adapt1(s1)]
        for i in range(0, len(self.ops), 2):
            first, second = (self.ops[k](states[self.sources[k]]) for k in (i, i + 1))
            states.append(first + second)
        return torch.cat(states[2:], 1)


class Stack(nn.Module):
    """Stem and cells; the cells in reductions halve the resolution."""

    def __init__(self, cell, stem, width, cells, reductions):
        super().__init__()
        self.stem = Stem(stem, width)
        before = previous = self.stem.channels
        after = self.stem.reduces
        self.cells = nn.ModuleList()
        for i in range(cells):
            reduces = i in reductions
            width *= 2 if reduces else 1
            self.cells.append(cell(before, previous, width, reduces, after))
            before, previous, after = previous, 4 * width, reduces
        self.channels = previous


def thirds(cells):
    return cells // 3, 2 * cells // 3


class Supernet(Stack):
    def __init__(self, stem, width, cells, reductions, head):
        super().__init__(MixedCell, stem, width, cells, reductions)
        self.head = head(self.channels)
        self.alphas = nn.ParameterList(nn.Parameter(1e-3 * torch.randn(14, 8)) for _ in range(2))

    def forward(self, x):
        s0, s1 = self.stem(x)
        weights = [F.softmax(a, -1) for a in self.alphas]
        for cell in self.cells:
            s0, s1 = s1, cell(s0, s1, weights[cell.reduces])
        return self.head(s1)


class Auxiliary(nn.Module):
    def __init__(self, stem, inputs, classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.ReLU(),
            nn.AvgPool2d(5, 2 if stem == "imagenet" else 3, 0, count_include_pad=False),
            conv_norm_relu(inputs, 128, 1),
            nn.Conv2d(128, 768, 2, bias=False),
            *([] if stem == "imagenet" else [norm(768, True)]),
            nn.ReLU(inplace=True),
        )
        self.linear = nn.Linear(768, classes)

    def forward(self, x):
        return self.linear(self.features(x).flatten(1))


class Evaluated(Stack):
    """The network of a genotype. It returns the logits of its auxiliary head, too, if it has one."""

    def __init__(self, stem, width, cells, classes, auxiliary, edges=DARTS_V2):
        super().__init__(functools.partial(DerivedCell, edges), stem, width, cells, thirds(cells))
        self.middle = thirds(cells)[1]
        self.auxiliary = Auxiliary(stem, 16 * width, classes) if auxiliary else None
        self.head = Classifier(self.channels, classes)

    def forward(self, x):
        s0, s1 = self.stem(x)
        for i, cell in enumerate(self.cells):
            s0, s1 = s1, cell(s0, s1)
            if i == self.middle and self.auxiliary is not None:
                auxiliary = self.auxiliary(s1)
        logits = self.head(s1)
        return logits if self.auxiliary is None else (logits, auxiliary)


class NASBenchCell(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        last = len(NASBENCH_OPS) + 1
        feeding = [v for v in NASBENCH_OPS if last in NASBENCH_EDGES[v]]
        share, rest = divmod(outputs, len(feeding))
        self.channels = {v: share + (i < rest) for i, v in enumerate(feeding)}
        for v in reversed(NASBENCH_OPS):
            if v not in self.channels:
                self.channels[v] = max(self.channels[d] for d in NASBENCH_EDGES[v])
        self.feeding = feeding
        self.project = nn.ModuleDict({str(v): conv_norm_relu(inputs, self.channels[v], 1) for v in NASBENCH_EDGES[0]})
        self.ops = nn.ModuleDict({
            str(v): nn.MaxPool2d(3, 1, 1) if name == "maxpool3x3"
            else conv_norm_relu(self.channels[v], self.channels[v], int(name[-1]))
            for v, name in NASBENCH_OPS.items()
        })

    def forward(self, x):
        values = {}
        for v in NASBENCH_OPS:
            terms = [values[u][:, : self.channels[v]] for u in values if v in NASBENCH_EDGES[u]]
            if v in NASBENCH_EDGES[0]:
                terms.append(self.project[str(v)](x))
            values[v] = self.ops[str(v)](sum(terms[1:], terms[0]))
        return torch.cat([values[v] for v in self.feeding], 1)


class NASBench(nn.Sequential):
    def __init__(self, width, stacks, modules, classes):
        layers, previous = [conv_norm_relu(3, width, 3)], width
        for stack in range(stacks):
            if stack > 0:
                layers.append(nn.MaxPool2d(2))
                width *= 2
            for _ in range(modules):
                layers.append(NASBenchCell(previous, width))
                previous = width
        super().__init__(*layers, Classifier(width, classes))
