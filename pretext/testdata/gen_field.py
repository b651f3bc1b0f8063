"""Writes field.txt: the JPEG and PNG files that programs and cameras write and decoders differ about, with
checksums of the pixels that libjpeg (by Pillow) decodes from them.

Run from the repository root: python3 pretext/testdata/gen_field.py
Made with Pillow 13.0.0 (libjpeg-turbo) and cjpeg of libjpeg-turbo 2.1.5; nothing is random. A line is a name, the CRC-32 of the pixels as RGB, or - if
the file is damaged, and the file in base64. Pixels follow as PNG files, named by their CRC-32.
"""
import base64
import io
import os
import subprocess
import zlib

import numpy as np
from PIL import Image

folder = os.path.dirname(os.path.abspath(__file__))
height, width = 43, 61
y, x = np.mgrid[0:height, 0:width].astype(float)
rgb = np.stack([
    127 + 120 * np.sin(x / 3) * np.cos(y / 5),
    255 * ((x // 6 + y // 4) % 2),
    255 * x / width,
], axis=-1).round().astype(np.uint8)
image = Image.fromarray(rgb)
lines, pixels = [], {}


def jpeg(m, **options):
    b = io.BytesIO()
    m.save(b, "JPEG", **{"quality": 90, **options})
    return b.getvalue()


def png(m, **options):
    b = io.BytesIO()
    m.save(b, "PNG", **options)
    return b.getvalue()


def chunk(name, body, crc=0):
    return len(body).to_bytes(4, "big") + name + body + ((zlib.crc32(name + body) + crc) & 0xffffffff).to_bytes(4, "big")


def segments(data):
    """Returns the segments up to the first scan, and the rest."""
    at, found = 2, []
    while data[at + 1] != 0xda:
        size = 2 + int.from_bytes(data[at + 2:at + 4], "big")
        found.append(data[at:at + size])
        at += size
    return found, data[at:]


def joined(found, rest):
    return b"\xff\xd8" + b"".join(found) + rest


def without(data, marker):
    found, rest = segments(data)
    return joined([s for s in found if s[1] != marker], rest)


def factors(data, *hv):
    """Replaces the sampling factors of the components."""
    found, rest = segments(data)
    for i, s in enumerate(found):
        if 0xc0 <= s[1] <= 0xc2:
            s = bytearray(s)
            for k, v in enumerate(hv):
                s[11 + 3 * k] = v
            found[i] = bytes(s)
    return joined(found, rest)


def add(name, data, sound=True):
    crc = "-"
    if sound:
        decoded = Image.open(io.BytesIO(data)).convert("RGB")
        crc = "%08x" % zlib.crc32(decoded.tobytes())
        pixels[crc] = png(decoded, optimize=True)
    lines.append("%s %s %s\n" % (name, crc, base64.b64encode(data).decode()))


colour, grey = jpeg(image, subsampling="4:2:0"), jpeg(image.convert("L"))
add("grey_3x1", factors(grey, 0x31))
add("grey_2x2", factors(grey, 0x22))
add("no_huffman_tables", without(colour, 0xc4))
add("no_quantisation_table", without(colour, 0xdb), False)
add("progressive_restarts", jpeg(image, subsampling="4:2:0", progressive=True, restart_marker_blocks=3))
add("restarts", jpeg(image, subsampling="4:2:0", restart_marker_blocks=2))
inks = image.convert("CMYK")
add("cmyk", jpeg(inks))
add("cmyk_no_adobe", without(jpeg(inks), 0xee))
add("cmyk_subsampled", jpeg(inks, subsampling="4:2:0"))  # factors 2x2, 1x1, 1x1, 1x1


def cjpeg(*options):
    ppm = b"P6 %d %d 255\n" % (width, height) + rgb.tobytes()
    return subprocess.run(["cjpeg", "-quality", "90", *options], input=ppm, capture_output=True, check=True).stdout


add("rgb", cjpeg("-rgb"))
for sample in "2x2,1x1,1x1", "2x1,1x1,1x1", "1x2,1x1,1x1":
    add("rgb_" + sample, cjpeg("-rgb", "-sample", sample))
for sample in "2x2,1x1,1x2", "1x1,2x1,2x1", "2x2,2x1,1x2", "3x1,1x1,1x1", "1x4,1x1,1x1", "4x1,1x1,1x1":
    add("ycc_" + sample, cjpeg("-sample", sample))
add("arithmetic", cjpeg("-arithmetic", "-sample", "2x2"))
add("arithmetic_progressive", cjpeg("-arithmetic", "-progressive"))
whole = cjpeg("-progressive", "-sample", "1x1")
add("few_scans", whole[:[i for i in range(len(whole)) if whole[i:i + 2] == b"\xff\xda"][4]] + b"\xff\xd9")
add("cut", colour[:-40], False)


plain = png(image)
add("png", plain)
crc = zlib.crc32(rgb.tobytes())


def addpng(name, data, sound=True):
    lines.append("%s %s %s\n" % (name, "%08x" % crc if sound else "-", base64.b64encode(data).decode()))


addpng("png_bad_ancillary", plain[:33] + chunk(b"iCCP", b"sRGB\x00\x00junk", 1) + plain[33:])
addpng("png_without_end", plain[:-12])
addpng("png_and_more", plain + b"more")
addpng("png_cut_chunk", plain[:-12] + chunk(b"tEXt", b"a\x00b")[:9])
raw = b"".join(b"\0" + row.tobytes() for row in rgb)
start, end = plain[:33], plain[-12:]
addpng("png_too_many_rows", start + chunk(b"IDAT", zlib.compress(raw + bytes(500))) + end)
addpng("png_bytes_behind_pixels", start + chunk(b"IDAT", zlib.compress(raw) + b"junk") + end)
addpng("png_damaged_too_many_rows", start + chunk(b"IDAT", zlib.compress(raw + bytes(500)), 1) + end, False)
interlaced = b"".join(b"\0" + row.tobytes() for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)) for row in rgb[y0::dy, x0::dx])
adam = plain[:8] + chunk(b"IHDR", plain[16:28] + b"\1")
addpng("png_interlaced", adam + chunk(b"IDAT", zlib.compress(interlaced)) + end)
addpng("png_interlaced_too_many_rows", adam + chunk(b"IDAT", zlib.compress(interlaced + b"more")) + end)
addpng("png_bad_pixels", plain[:60] + bytes([plain[60] ^ 4]) + plain[61:], False)
with open(os.path.join(folder, "field.txt"), "w") as f:
    f.writelines(lines)
    f.writelines("%s - %s\n" % (crc, base64.b64encode(data).decode()) for crc, data in pixels.items())
