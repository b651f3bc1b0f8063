"""The networks of NAS-Bench-201 and TransNAS-Bench-101, and the spaces of RobustDARTS, in PyTorch."""
import torch
from torch import nn
from torch.nn import functional as F

import networks
from operations import Halve, norm, operation

NAMES = {
    "nasbench201": ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"],
    "transnas": ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3"],
}


class Layers(nn.Module):
    """ReLU, convolution, batch normalisation."""

    def __init__(self, inputs, outputs, kernel, stride, affine):
        super().__init__()
        convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.op = nn.Sequential(nn.ReLU(), convolution, norm(outputs, affine))

    def forward(self, x):
        return self.op(x)


class Nothing(nn.Module):
    def __init__(self, outputs, stride):
        super().__init__()
        self.outputs, self.stride = outputs, stride

    def forward(self, x):
        x = x[:, :, :: self.stride, :: self.stride]
        return x.new_zeros(len(x), self.outputs, *x.shape[2:])


def edge(name, inputs, outputs, stride, affine):
    if name == "none":
        return Nothing(outputs, stride)
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else Halve(inputs, outputs, affine)
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride, 1, count_include_pad=False)
    return Layers(inputs, outputs, int(name[-1]), stride, affine)


class Residual(nn.Module):
    """The block between two stages of NAS-Bench-201."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv_a, self.conv_b = Layers(inputs, outputs, 3, 2, True), Layers(outputs, outputs, 3, 1, True)
        self.downsample = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x, *_):
        return self.conv_b(self.conv_a(x)) + self.downsample(x)


class DerivedCell(nn.Module):
    def __init__(self, names, inputs, outputs, stride):
        super().__init__()
        places = [(i, j) for i in range(1, 4) for j in range(i)]
        self.layers = nn.ModuleList(
            edge(name, outputs if j else inputs, outputs, 1 if j else stride, True) for name, (_, j) in zip(names, places))

    def forward(self, x):
        states, k = [x], 0
        for i in range(1, 4):
            states.append(sum(self.layers[k + j](states[j]) for j in range(i)))
            k += i
        return states[-1]


class MixedCell(nn.Module):
    def __init__(self, names, inputs, outputs, stride):
        super().__init__()
        self.edges = nn.ModuleDict({
            f"{i}<-{j}": nn.ModuleList(edge(n, outputs if j else inputs, outputs, 1 if j else stride, False) for n in names)
            for i in range(1, 4) for j in range(i)})

    def forward(self, x, weights):
        states, k = [x], 0
        for i in range(1, 4):
            total = 0
            for j in range(i):
                total = total + sum(w * op(states[j]) for w, op in zip(weights[k], self.edges[f"{i}<-{j}"]))
                k += 1
            states.append(total)
        return states[-1]


class Network(nn.Module):
    """A benchmark's network with the cells that cell makes, behind a head."""

    def __init__(self, kind, width, cells, cell, head):
        super().__init__()
        self.cells = nn.ModuleList()
        if kind == "nasbench201":
            self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 1, 1, bias=False), norm(width, True))
            for stage in range(3):
                if stage:
                    self.cells.append(Residual(width, 2 * width))
                    width *= 2
                self.cells.extend(cell(width, width, 1) for _ in range(cells))
            self.lastact = nn.Sequential(norm(width, True), nn.ReLU())
        else:
            self.stem = nn.Sequential(
                nn.Conv2d(3, width // 2, 3, 2, 1, bias=False), norm(width // 2, True), Layers(width // 2, width, 3, 2, True))
            for module in range(5):
                outputs, stride = (2 * width, 2) if module % 2 == 0 else (width, 1)
                self.cells.extend([cell(width, outputs, stride), cell(outputs, outputs, 1)])
                width = outputs
            self.lastact = nn.Identity()
        self.head = head(width)


class Derived(Network):
    def __init__(self, kind, width, cells, names, head):
        super().__init__(kind, width, cells, lambda *a: DerivedCell(names, *a), head)

    def forward(self, x):
        x = self.stem(x)
        for cell in self.cells:
            x = cell(x)
        return self.head(self.lastact(x))


class Supernet(Network):
    def __init__(self, kind, width, cells, head):
        names = NAMES[kind]
        super().__init__(kind, width, cells, lambda *a: MixedCell(names, *a), head)
        self.arch_parameters = nn.Parameter(torch.zeros(6, len(names)))

    def forward(self, x):
        x, weights = self.stem(x), F.softmax(self.arch_parameters, -1)
        for cell in self.cells:
            x = cell(x, weights)
        return self.head(self.lastact(x))


# S1 of RobustDARTS: the two operations of each edge, of normal and reduction cells.
S1 = [
    ["skip_connect dil_conv_3x3", "skip_connect dil_conv_5x5", "skip_connect dil_conv_5x5", "skip_connect sep_conv_3x3",
     "skip_connect dil_conv_3x3", "max_pool_3x3 skip_connect", "skip_connect sep_conv_3x3", "skip_connect sep_conv_3x3",
     "skip_connect dil_conv_3x3", "skip_connect sep_conv_3x3", "max_pool_3x3 skip_connect", "skip_connect dil_conv_3x3",
     "dil_conv_3x3 dil_conv_5x5", "dil_conv_3x3 dil_conv_5x5"],
    ["max_pool_3x3 avg_pool_3x3", "max_pool_3x3 dil_conv_3x3", "max_pool_3x3 avg_pool_3x3", "max_pool_3x3 avg_pool_3x3",
     "skip_connect dil_conv_5x5", "max_pool_3x3 avg_pool_3x3", "max_pool_3x3 sep_conv_3x3", "skip_connect dil_conv_3x3",
     "skip_connect dil_conv_5x5", "max_pool_3x3 avg_pool_3x3", "max_pool_3x3 avg_pool_3x3", "skip_connect dil_conv_5x5",
     "skip_connect dil_conv_5x5", "skip_connect dil_conv_5x5"],
]


class Named(nn.Module):
    """One part under a name."""

    def __init__(self, name, part):
        super().__init__()
        self.name = name
        setattr(self, name, part)

    def forward(self, x):
        return getattr(self, self.name)(x)


class S1Cell(networks.Cell):
    def __init__(self, before, previous, channels, reduces, after_reduction):
        super().__init__(before, previous, channels, reduces, after_reduction, False)
        strides = [2 if reduces and j < 2 else 1 for i in range(4) for j in range(2 + i)]
        self._ops = nn.ModuleList(
            Named("_ops", nn.ModuleList(self.candidate(n, channels, stride) for n in names.split()))
            for names, stride in zip(S1[reduces], strides))

    def candidate(self, name, channels, stride):
        op = operation(name, channels, stride, False)
        if "pool" in name:
            return nn.Sequential(op, norm(channels))
        return op if name == "skip_connect" else Named("op", op)

    def forward(self, s0, s1, weights):
        states, k = [self.adapt0(s0), self.adapt1(s1)], 0
        for _ in range(4):
            total = 0
            for state in states:
                total = total + sum(w * op(state) for w, op in zip(weights[k], self._ops[k]._ops))
                k += 1
            states.append(total)
        return torch.cat(states[2:], 1)
