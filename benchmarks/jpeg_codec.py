"""Microseconds for each image of the codec alone: the JPEGs of `input_pipelines records`, decoded on all processors.

    python jpeg_codec.py

It is libjpeg-turbo (simplejpeg) with TensorFlow's parameters, and nothing else: no file is read, nothing is resized.
Prints one JSON line.
"""

import io
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def jpegs(count):
    """Images of 256x256, one after the other."""
    from PIL import Image

    base = np.kron(
        np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8), np.ones((16, 16, 1), np.uint8)
    )
    for i in range(count):
        image = io.BytesIO()
        Image.fromarray(np.roll(base, i, 1)).save(image, "JPEG", quality=90)
        yield image.getvalue()


def main():
    import simplejpeg

    images, threads = list(jpegs(2000)), os.cpu_count()

    def decode(part):
        for image in part:
            simplejpeg.decode_jpeg(image, "RGB", fastdct=True)

    best = float("inf")
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(3):
            start = time.perf_counter()
            list(pool.map(decode, [images[i::threads] for i in range(threads)]))
            best = min(best, time.perf_counter() - start)
    print(json.dumps({"records_us": round(best / len(images) * 1e6, 2)}))


if __name__ == "__main__":
    main()
