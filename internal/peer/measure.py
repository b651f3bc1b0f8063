"""Times search steps of PyTorch and prints the best and the median in seconds."""
import argparse
import statistics
import time

import torch

from supernet import Search, Supernet


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--size", type=int, default=32)
    p.add_argument("--width", type=int, default=16)
    p.add_argument("--cells", type=int, default=8)
    p.add_argument("--stem", default="cifar")
    p.add_argument("--layout", default="nchw", choices=["nchw", "nhwc"])
    p.add_argument("--repeats", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    net = Supernet(a.width, a.cells, 10, a.stem)
    x = torch.randn(a.batch, 3, a.size, a.size)
    if a.layout == "nhwc":
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    y = torch.randint(0, 10, (a.batch,))
    search = Search(net)
    search.step(x, y)
    times = []
    for _ in range(a.repeats):
        start = time.perf_counter()
        search.step(x, y)
        times.append(time.perf_counter() - start)
    print(f"{min(times):.4f} {statistics.median(times):.4f}")


main()
