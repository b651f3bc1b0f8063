"""Times one case in PyTorch; prints seconds per step and the number of parameters as JSON.

    python3 measure.py [--device cuda] [--layout nhwc] [--bfloat16] [--compile MODE | --graph | --cuda-graph] [--repeats N] case
    python3 measure.py --list

Cases bear the names of the Go benchmarks that do the same.
"""
import argparse
import json
import os
import signal
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

import networks
import operations


def loss(outputs, labels):
    if isinstance(outputs, tuple):  # the second is that of an auxiliary head
        return loss(outputs[0], labels) + 0.4 * loss(outputs[1], labels)
    if outputs.dim() == 2:
        return F.cross_entropy(outputs, labels)
    outputs = F.interpolate(outputs, labels.shape[1:], mode="bilinear", align_corners=True)
    return F.cross_entropy(outputs, labels, ignore_index=255)


class Train:
    """Steps of SGD on the weights."""

    def __init__(self, net, forward, x, labels):
        alphas = {id(a) for a in getattr(net, "alphas", [])}
        self.forward, self.x, self.labels = forward, x, labels
        self.weights = [p for p in net.parameters() if id(p) not in alphas]
        self.sgd = torch.optim.SGD(self.weights, 0.025, momentum=0.9, weight_decay=3e-4)

    def step(self):
        self.sgd.zero_grad()
        loss(self.forward(self.x), self.labels).backward()
        nn.utils.clip_grad_norm_(self.weights, 5)
        self.sgd.step()


class Search(Train):
    """Alternating steps of Adam on the alphas and SGD on the weights."""

    def __init__(self, net, forward, x, labels):
        super().__init__(net, forward, x, labels)
        self.adam = torch.optim.Adam(net.alphas, 3e-4, betas=(0.5, 0.999), weight_decay=1e-3, capturable=x.is_cuda)

    def step(self):
        self.adam.zero_grad()
        loss(self.forward(self.x), self.labels).backward()
        self.adam.step()
        super().step()


class Infer:
    """Logits of a trained network."""

    def __init__(self, net, forward, x, _):
        net.eval()
        self.forward, self.x = forward, x

    def step(self):
        with torch.inference_mode():
            self.forward(self.x)


class Differentiate:
    """The output, and the gradients of input and parameters."""

    def __init__(self, net, forward, x, _):
        self.forward, self.x = forward, x.requires_grad_()
        self.variables = [x, *net.parameters()]
        self.gradient = torch.randn_like(forward(x))

    def step(self):
        torch.autograd.grad(self.forward(self.x), self.variables, self.gradient)


def classifier(classes):
    return lambda inputs: networks.Classifier(inputs, classes)


def supernet(stem, classes):
    return lambda: networks.Supernet(stem, 16, 8, networks.thirds(8), classifier(classes))


def cityscapes():
    return networks.Supernet("imagenet", 16, 12, [4], lambda inputs: networks.ASPP(inputs, 64, [6], 19))


def evaluated(stem, auxiliary):
    width, cells, classes = (36, 20, 10) if stem == "cifar" else (48, 14, 1000)
    return lambda: networks.Evaluated(stem, width, cells, classes, auxiliary)


def aspp():
    return networks.Normalised(640, networks.ASPP(640, 256, [6, 12, 18], 19))


def candidate(name, channels):
    return lambda: operations.candidate(name, channels, 2 if name == "skip_connect" else 1)


# For each case what is done, to which network, with inputs of which shape, and
# with labels of which shape and how many classes.
CASES = {
    "Step/cifar/batch=16": (Search, supernet("cifar", 10), (16, 3, 32, 32), (16,), 10),
    "Step/cifar/batch=64": (Search, supernet("cifar", 10), (64, 3, 32, 32), (64,), 10),
    "Step/imagenet/batch=16": (Search, supernet("imagenet", 10), (16, 3, 224, 224), (16,), 10),
    "Step/rotation/batch=16": (Search, supernet("cifar", 4), (64, 3, 32, 32), (64,), 4),
    "Step/cityscapes/batch=2": (Search, cityscapes, (2, 3, 321, 321), (2, 321, 321), 19),
    "Train/cifar/batch=96": (Train, evaluated("cifar", True), (96, 3, 32, 32), (96,), 10),
    "Train/imagenet/batch=16": (Train, evaluated("imagenet", True), (16, 3, 224, 224), (16,), 1000),
    "Train/nasbench/batch=32": (Train, lambda: networks.NASBench(128, 3, 3, 10), (32, 3, 32, 32), (32,), 10),
    "Train/aspp/batch=2": (Train, aspp, (2, 640, 41, 41), (2, 321, 321), 19),
    **{
        f"Infer/{stem}/batch={n}": (Infer, evaluated(stem, False), (n, 3, size, size), (n,), 10)
        for stem, size in (("cifar", 32), ("imagenet", 224)) for n in (1, 32)
    },
    **{
        f"Op/{name}/C{c}@{size}": (Differentiate, candidate(name, c), (16, c, size, size), (16,), 10)
        for name in operations.NAMES[1:] for c, size in ((16, 32), (32, 16), (64, 8))
    },
}


def expired(*_):
    print("torch.compile took more time than --limit", file=sys.stderr, flush=True)
    os._exit(1)


def captured(step):
    """Returns a function that replays a step as one CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def main():
    p = argparse.ArgumentParser()
    p.add_argument("case", nargs="?", choices=CASES)
    p.add_argument("--list", action="store_true")
    p.add_argument("--layout", default="nchw", choices=["nchw", "nhwc"])
    p.add_argument("--bfloat16", action="store_true", help="autocast")
    p.add_argument("--compile", choices=["default", "max-autotune"], help="torch.compile in this mode")
    p.add_argument("--graph", action="store_true", help="a traced, frozen graph with the fusions of oneDNN, for inference")
    p.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    p.add_argument("--cuda-graph", action="store_true", help="a step as one CUDA graph")
    p.add_argument("--limit", type=int, default=300, help="seconds for torch.compile")
    p.add_argument("--repeats", type=int, default=3)
    a = p.parse_args()
    if a.list:
        print(json.dumps({"cases": list(CASES), "torch": torch.__version__}))
        return
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(1)
    do, make, shape, labels, classes = CASES[a.case]
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    net, x, labels = make().to(a.device), torch.randn(shape).to(a.device), torch.randint(0, classes, labels).to(a.device)
    if a.layout == "nhwc":
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    forward = net
    if a.compile:
        if not hasattr(torch, "compile"):
            sys.exit(f"PyTorch {torch.__version__} has no torch.compile")
        signal.signal(signal.SIGALRM, expired)
        signal.alarm(a.limit)
        forward = torch.compile(net, mode=a.compile)
    if a.graph:
        if do is not Infer:
            sys.exit("a frozen graph is for inference")
        torch.jit.enable_onednn_fusion(True)
        with torch.inference_mode():
            forward = torch.jit.freeze(torch.jit.trace(net.eval(), x))
            forward(x), forward(x)  # compile it
    subject = do(net, forward, x, labels)
    wait = torch.cuda.synchronize if a.device == "cuda" else lambda: None
    with torch.autocast(a.device, torch.bfloat16, enabled=a.bfloat16, cache_enabled=not a.cuda_graph):
        step = captured(subject.step) if a.cuda_graph else subject.step
        step()  # compiles, touches the memory
        signal.alarm(0)
        wait()
        start = time.perf_counter()
        for _ in range(a.repeats):
            step()
        wait()
    seconds = (time.perf_counter() - start) / a.repeats
    result = {"seconds": seconds, "params": sum(p.numel() for p in net.parameters())}
    if a.device == "cuda":
        result["bytes"] = torch.cuda.max_memory_allocated()
    print(json.dumps(result))


main()
