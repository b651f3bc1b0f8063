"""The candidate operations of DARTS in PyTorch, as its users would write them."""
import torch
from torch import nn
from torch.nn import functional as F

NAMES = [
    "none", "max_pool_3x3", "avg_pool_3x3", "skip_connect",
    "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5",
]


def norm(channels, affine=False):
    return nn.BatchNorm2d(channels, affine=affine)


def conv_norm_relu(inputs, outputs, kernel, stride=1, dilation=1):
    pad = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, pad, dilation, bias=False), norm(outputs, True), nn.ReLU(inplace=True)
    )


def adapt(inputs, outputs, affine=False):
    return nn.Sequential(nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False), norm(outputs, affine))


def separable(channels, kernel, stride, dilation, affine):
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


def operation(name, channels, stride, affine):
    """Returns an operation of the network of a genotype."""
    size = int(name[-1]) if name[-1].isdigit() else 0
    if name == "none":
        return Zero(stride)
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else Halve(channels, channels, affine)
    if name.startswith("max_pool"):
        return nn.MaxPool2d(size, stride, size // 2)
    if name.startswith("avg_pool"):
        return nn.AvgPool2d(size, stride, size // 2, count_include_pad=False)
    if name.startswith("dil_conv"):
        return nn.Sequential(*separable(channels, size, stride, 2, affine))
    return nn.Sequential(*separable(channels, size, stride, 1, affine), *separable(channels, size, 1, 1, affine))


def candidate(name, channels, stride):
    """Returns an operation of a mixed one, where a pooling is normalised."""
    op = operation(name, channels, stride, False)
    return nn.Sequential(op, norm(channels)) if "pool" in name else op
