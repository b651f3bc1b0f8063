#!/usr/bin/env python3
"""Measures how many images OpenCV and NumPy load in a second of processor time.

    python3 internal/peer/load.py [--seconds S] [--view] folder

It decodes the JPEG files of the class folders in the folder one after the other,
as the benchmark Load of darts does. With --view it makes of each what the rotation
task of unnas does: a random area resized to 224 by 224 pixels, flip, jitter,
normalisation, and all four ways up, in float32. It needs Python with
opencv-python-headless and numpy.
"""
import argparse
import math
import pathlib
import random
import time

import cv2
import numpy as np

SIZE = 224
MEAN = np.array([0.406, 0.456, 0.485], np.float32)
STD = np.array([0.225, 0.224, 0.229], np.float32)
VALUES = np.array([0.2175, 0.0188, 0.0045], np.float32)
VECTORS = np.array([
    [-0.5836, -0.6948, 0.4203],
    [-0.5808, -0.0045, -0.8140],
    [-0.5675, 0.7192, 0.4009],
], np.float32)  # blue, green, red


def crop(image):
    """Returns a random area of the image."""
    height, width = image.shape[:2]
    for _ in range(10):
        area = random.uniform(0.08, 1) * height * width
        aspect = random.uniform(3 / 4, 4 / 3)
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if random.random() < 0.5:
            w, h = h, w
        if h <= height and w <= width:
            y, x = random.randint(0, height - h), random.randint(0, width - w)
            return image[y:y + h, x:x + w]
    side = min(height, width)
    y, x = (height - side) // 2, (width - side) // 2
    return image[y:y + side, x:x + side]


def view(image):
    """Returns the four inputs of the rotation task."""
    x = cv2.resize(crop(image.astype(np.float32)), (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    if random.random() < 0.5:
        x = x[:, ::-1]
    x = x / np.float32(255)
    x += VECTORS @ (np.random.normal(0, 0.1, 3).astype(np.float32) * VALUES)
    x -= MEAN
    x /= STD
    return np.stack([np.rot90(x, k) for k in range(4)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--view", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    files = [str(path) for path in sorted(options.folder.glob("*/*.JPEG"))]
    if not files:
        parser.error(f"no JPEG files in the class folders of {options.folder}")
    count, begin = 0, time.process_time()
    while time.process_time() - begin < options.seconds:
        image = cv2.imread(files[count % len(files)])
        if options.view:
            view(image)
        count += 1
    print(f"{count / (time.process_time() - begin):.1f} images/s")


if __name__ == "__main__":
    main()
