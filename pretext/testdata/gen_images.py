"""Writes the JPEG files of this folder and, as PNG, the pixels that libjpeg decodes from them.

Run from the repository root: python3 pretext/testdata/gen_images.py
Made with Pillow 13.0.0 (libjpeg-turbo) and OpenCV 5.0.0; nothing is random.
"""
import os

import cv2
import numpy as np
from PIL import Image

folder = os.path.dirname(os.path.abspath(__file__))
height, width = 19, 37  # odd, so that the last chroma sample covers half of a pixel pair
y, x = np.mgrid[0:height, 0:width].astype(float)
rgb = np.stack([
    127 + 120 * np.sin(x / 3) * np.cos(y / 5),
    255 * ((x // 6 + y // 4) % 2),
    255 * x / width,
], axis=-1).round().astype(np.uint8)
image = Image.fromarray(rgb)


def path(name):
    return os.path.join(folder, name)


image.save(path("444.jpg"), quality=90, subsampling="4:4:4")
image.save(path("422.jpg"), quality=90, subsampling="4:2:2")
image.save(path("420.jpg"), quality=90, subsampling="4:2:0")
image.save(path("progressive.jpg"), quality=90, subsampling="4:2:0", progressive=True)
image.convert("L").save(path("grey.jpg"), quality=90)
image.convert("CMYK").save(path("cmyk.jpg"), quality=90)
for name, factor in ("440", cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440), ("411", cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411):
    cv2.imwrite(path(name + ".jpg"), rgb[:, :, ::-1],
                [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor])

for name in os.listdir(folder):
    if name.endswith(".jpg"):
        Image.open(path(name)).convert("RGB").save(path(name.replace(".jpg", ".png")))
