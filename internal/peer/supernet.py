"""The search network of DARTS in PyTorch, as its users would write it.

It exists to be measured beside ours: same operations, same sizes, same order of
updates. Nothing in the library depends on it.
"""
import torch
from torch import nn
from torch.nn import functional as F


def norm(channels, affine=False):
    return nn.BatchNorm2d(channels, affine=affine)


def separable(channels, kernel, stride, dilation, affine=False):
    pad = dilation * (kernel // 2)
    return [
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, stride, pad, dilation, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        norm(channels, affine),
    ]


class Halve(nn.Module):
    """A factorised reduction."""

    def __init__(self, inputs, outputs, affine=False):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs // 2, 1, 2, bias=False)
        self.second = nn.Conv2d(inputs, outputs // 2, 1, 2, bias=False)
        self.norm = norm(outputs, affine)

    def forward(self, x):
        x = F.relu(x)
        shifted = F.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        return self.norm(torch.cat([self.first(x), self.second(shifted)], 1))


class Zero(nn.Module):
    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        return x[:, :, :: self.stride, :: self.stride].mul(0.0)


def adapt(inputs, outputs, affine=False):
    return nn.Sequential(nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False), norm(outputs, affine))


def candidates(channels, stride):
    return nn.ModuleList(
        [
            Zero(stride),
            nn.Sequential(nn.MaxPool2d(3, stride, 1), norm(channels)),
            nn.Sequential(nn.AvgPool2d(3, stride, 1, count_include_pad=False), norm(channels)),
            nn.Identity() if stride == 1 else Halve(channels, channels),
            nn.Sequential(*separable(channels, 3, stride, 1), *separable(channels, 3, 1, 1)),
            nn.Sequential(*separable(channels, 5, stride, 1), *separable(channels, 5, 1, 1)),
            nn.Sequential(*separable(channels, 3, stride, 2)),
            nn.Sequential(*separable(channels, 5, stride, 2)),
        ]
    )


class MixedCell(nn.Module):
    def __init__(self, before, previous, channels, reduces, after_reduction, nodes=4):
        super().__init__()
        self.reduces = reduces
        self.adapt0 = Halve(before, channels) if after_reduction else adapt(before, channels)
        self.adapt1 = adapt(previous, channels)
        self.nodes = nodes
        self.edges = nn.ModuleList(
            candidates(channels, 2 if reduces and j < 2 else 1) for i in range(nodes) for j in range(2 + i)
        )

    def forward(self, s0, s1, weights):
        states = [self.adapt0(s0), self.adapt1(s1)]
        edge = 0
        for _ in range(self.nodes):
            total = 0
            for state in states:
                total = total + sum(w * op(state) for w, op in zip(weights[edge], self.edges[edge]))
                edge += 1
            states.append(total)
        return torch.cat(states[2:], 1)


class Supernet(nn.Module):
    def __init__(self, width=16, cells=8, classes=10, stem="cifar"):
        super().__init__()
        self.imagenet = stem == "imagenet"
        if self.imagenet:
            half = width // 2
            self.stem0 = nn.Sequential(
                nn.Conv2d(3, half, 3, 2, 1, bias=False), norm(half, True), nn.ReLU(),
                nn.Conv2d(half, width, 3, 2, 1, bias=False), norm(width, True))
            self.stem1 = nn.Sequential(nn.ReLU(), nn.Conv2d(width, width, 3, 2, 1, bias=False), norm(width, True))
            before = previous = width
        else:
            before = previous = 3 * width
            self.stem = nn.Sequential(nn.Conv2d(3, previous, 3, 1, 1, bias=False), norm(previous, True))
        channels, after = width, self.imagenet
        self.cells = nn.ModuleList()
        for i in range(cells):
            reduces = i in (cells // 3, 2 * cells // 3)
            if reduces:
                channels *= 2
            self.cells.append(MixedCell(before, previous, channels, reduces, after))
            before, previous, after = previous, 4 * channels, reduces
        self.classifier = nn.Linear(previous, classes)
        self.alphas = nn.ParameterList(nn.Parameter(1e-3 * torch.randn(14, 8)) for _ in range(2))

    def forward(self, x):
        if self.imagenet:
            s0 = self.stem0(x)
            s1 = self.stem1(s0)
        else:
            s0 = s1 = self.stem(x)
        weights = [F.softmax(a, -1) for a in self.alphas]
        for cell in self.cells:
            s0, s1 = s1, cell(s0, s1, weights[cell.reduces])
        return self.classifier(F.adaptive_avg_pool2d(s1, 1).flatten(1))


class Search:
    """Alternating steps of Adam on the alphas and SGD on the weights."""

    def __init__(self, net):
        self.net = net
        alphas = {id(a) for a in net.alphas}
        self.weights = [p for p in net.parameters() if id(p) not in alphas]
        self.sgd = torch.optim.SGD(self.weights, 0.025, momentum=0.9, weight_decay=3e-4)
        self.adam = torch.optim.Adam(net.alphas, 3e-4, betas=(0.5, 0.999), weight_decay=1e-3)

    def step(self, x, y):
        self.adam.zero_grad()
        F.cross_entropy(self.net(x), y).backward()
        self.adam.step()
        self.sgd.zero_grad()
        F.cross_entropy(self.net(x), y).backward()
        nn.utils.clip_grad_norm_(self.weights, 5)
        self.sgd.step()
