"""Image codecs: the pixels are TensorFlow's (compared by checksums), damage is an error."""

from __future__ import annotations

import base64
import io
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import penstock as tf
from penstock.io import images

E = tf.errors.InvalidArgumentError
Y, X = np.mgrid[0:17, 0:22]
PIXELS = np.stack([(X * 11) % 256, (Y * 13) % 256, (X * Y) % 256], -1).astype(np.uint8)
DEEP = PIXELS.astype(np.uint16) * 251 + 7
# PIXELS as TensorFlow encodes them with quality 40.
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7"
    "gYKBTmCNl4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8"
    "fHx8fHx8fHz/wAARCAARABYDASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUF"
    "BAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVW"
    "V1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi"
    "4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAEC"
    "AxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVm"
    "Z2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq"
    "8vP09fb3+Pn6/9oADAMBAAIRAxEAPwDnIrX2q3Fae1XobX2q/Dae1YQfOTh8UZ0dnx0orcW3VeCMn2oqn7GLs5ansxxTsVIK0IKK"
    "Kzwp8nQJIulFFFeZDY9yOx//2Q=="
)


def checksum(pixels):
    return zlib.crc32(pixels.numpy().tobytes())


def saved(array, kind, **options):
    out = io.BytesIO()
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(out, kind, **options)
    return out.getvalue()


def gif(frames=3, **options):
    pictures = [Image.fromarray(np.roll(PIXELS, 5 * i, 1)).quantize(16) for i in range(frames)]
    return saved(pictures[0], "GIF", save_all=True, append_images=pictures[1:], **options)


@pytest.mark.parametrize(
    "options, shape, expected",
    [
        ({}, [17, 22, 3], 2144861275),
        ({"channels": 1}, [17, 22, 1], 4099967591),
        ({"ratio": 2}, [9, 11, 3], 1472239257),
        ({"ratio": 4}, [5, 6, 3], 1585178126),
        ({"ratio": 8}, [3, 3, 3], 4045628791),
        ({"fancy_upscaling": False}, [17, 22, 3], 678395749),
        ({"dct_method": "INTEGER_FAST"}, [17, 22, 3], 2144861275),
        ({"dct_method": "INTEGER_ACCURATE"}, [17, 22, 3], 379587453),
        ({"dct_method": "INTEGER_ACCURATE", "channels": 1, "ratio": 2}, [9, 11, 1], 305479502),
    ],
)
def test_decode_jpeg(options, shape, expected):
    pixels = tf.io.decode_jpeg(JPEG, **options)
    assert pixels.shape == shape
    assert checksum(pixels) == expected


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, 1468397092),
        ({"progressive": True}, 1468397092),
        ({"optimize_size": True}, 1468397092),
        ({"chroma_downsampling": False}, 1118059994),
        ({"quality": 10}, 1153735119),
    ],
)
def test_encode_jpeg(options, expected):
    data = tf.io.encode_jpeg(PIXELS, **options)
    assert checksum(tf.io.decode_jpeg(data)) == expected
    assert tf.io.is_jpeg(data)


def test_the_quality_may_be_a_tensor():
    data = tf.raw_ops.EncodeJpegVariableQuality(images=PIXELS, quality=10)
    assert data == tf.io.encode_jpeg(PIXELS, quality=10)


def test_density_and_xmp_are_in_the_file():
    data = tf.io.encode_jpeg(PIXELS, density_unit="cm", x_density=7, y_density=8, xmp_metadata="<x/>").numpy()
    assert data[6:18] == b"JFIF\0\1\1\2\0\7\0\x08"
    assert data[20:24] == b"\xff\xe1\0\x23"
    assert data[24:].startswith(b"http://ns.adobe.com/xap/1.0/\0<x/>")
    assert tf.io.decode_jpeg(data).shape == [17, 22, 3]


@pytest.mark.parametrize("window", [[0, 0, 17, 22], [3, 5, 10, 12], [16, 21, 1, 1]])
def test_decode_and_crop_jpeg(window):
    top, left, height, width = window
    whole = tf.io.decode_jpeg(JPEG)
    assert np.array_equal(
        tf.io.decode_and_crop_jpeg(JPEG, window), whole[top : top + height, left : left + width]
    )


@pytest.mark.parametrize("window", [[-1, 0, 3, 3], [0, 0, 18, 3], [5, 5, 0, 3], [17, 0, 1, 1], [0, 0, 3]])
def test_windows_outside(window):
    with pytest.raises(E, match="window"):
        tf.io.decode_and_crop_jpeg(JPEG, window)


def test_extract_jpeg_shape():
    assert tf.io.extract_jpeg_shape(JPEG).numpy().tolist() == [17, 22, 3]
    assert tf.io.extract_jpeg_shape(tf.io.encode_jpeg(PIXELS[..., :1]), tf.int64).numpy().tolist() == [
        17,
        22,
        1,
    ]


PNGS = {
    "p": PIXELS,
    "p16": DEEP,
    "pa": np.concatenate([DEEP, DEEP[..., :1]], -1),
    "pla": DEEP[..., :2],
}


@pytest.mark.parametrize(
    "name, channels, dtype, stored, expected",
    [
        ("p", 0, "uint8", 3, 3696633016),
        ("p", 0, "uint16", 3, 905664573),
        ("p", 1, "uint8", 1, 156217377),
        ("p", 1, "uint16", 1, 3290451597),
        ("p", 3, "uint8", 3, 3696633016),
        ("p", 3, "uint16", 3, 905664573),
        ("p", 4, "uint8", 4, 1621661036),
        ("p", 4, "uint16", 4, 832623484),
        ("p", "image", "uint16", 3, 905664573),
        ("p", "image", "float32", 3, 1945288284),
        ("p16", 0, "uint8", 3, 2330240085),
        ("p16", 0, "uint16", 3, 1157434087),
        ("p16", 1, "uint8", 1, 56081639),
        ("p16", 1, "uint16", 1, 1224557606),
        ("p16", 3, "uint8", 3, 2330240085),
        ("p16", 3, "uint16", 3, 1157434087),
        ("p16", 4, "uint8", 4, 3031871695),
        ("p16", 4, "uint16", 4, 1975401851),
        ("p16", "image", "uint16", 3, 1157434087),
        ("p16", "image", "float32", 3, 3298870901),
        ("pa", 0, "uint8", 4, 2979833598),
        ("pa", 0, "uint16", 4, 2437815560),
        ("pa", 1, "uint8", 1, 56081639),
        ("pa", 1, "uint16", 1, 1224557606),
        ("pa", 3, "uint8", 3, 2330240085),
        ("pa", 3, "uint16", 3, 1157434087),
        ("pa", 4, "uint8", 4, 2979833598),
        ("pa", 4, "uint16", 4, 2437815560),
        ("pa", "image", "uint16", 4, 2437815560),
        ("pa", "image", "float32", 4, 2170223492),
        ("pla", 0, "uint8", 2, 2434768636),
        ("pla", 0, "uint16", 2, 3742948518),
        ("pla", 1, "uint8", 1, 1835566705),
        ("pla", 1, "uint16", 1, 2663738002),
        ("pla", 3, "uint8", 3, 4217929417),
        ("pla", 3, "uint16", 3, 254656227),
        ("pla", 4, "uint8", 4, 1765983878),
        ("pla", 4, "uint16", 4, 1488562329),
        ("pla", "image", "uint16", 2, 3742948518),
        ("pla", "image", "float32", 2, 3645700818),
    ],
)
def test_png(name, channels, dtype, stored, expected):
    data = tf.io.encode_png(PNGS[name])
    if channels == "image":
        pixels = tf.io.decode_image(data, dtype=dtype)
    else:
        pixels = tf.io.decode_png(data, channels, dtype)
    assert pixels.shape == [17, 22, stored]
    assert checksum(pixels) == expected


@pytest.mark.parametrize("compression", [-1, 0, 9])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_round_trip(channels, dtype, compression):
    image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (2, 5, 7, channels)).astype(dtype)
    data = tf.io.encode_png(image, compression)
    assert data.shape == [2]
    assert np.array_equal(tf.io.decode_png(data[1], dtype=dtype), image[1])


@pytest.mark.parametrize(
    "picture, options, channels",
    [
        (Image.fromarray(PIXELS).quantize(64), {}, 3),
        (Image.fromarray(PIXELS).quantize(8), {"transparency": 2}, 4),
        (Image.fromarray(PIXELS).convert("1"), {}, 1),
        (Image.fromarray(PIXELS).convert("L"), {"transparency": 0}, 2),
        (Image.fromarray(PIXELS), {"transparency": (0, 0, 0)}, 4),
        (Image.fromarray(PIXELS).convert("LA"), {}, 2),
    ],
)
def test_kinds_of_png(picture, options, channels):
    pixels = tf.io.decode_png(saved(picture, "PNG", **options))
    assert pixels.shape == [17, 22, channels]
    modes = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
    shown = Image.open(io.BytesIO(saved(picture, "PNG", **options))).convert(modes[channels])
    assert np.array_equal(pixels[..., 0], np.asarray(shown).reshape(17, 22, channels)[..., 0])


@pytest.mark.parametrize("channels, expected", [(0, 3), (3, 3), (4, 4)])
def test_bmp(channels, expected):
    pixels = tf.io.decode_bmp(saved(PIXELS, "BMP"), channels)
    assert pixels.shape == [17, 22, expected]
    assert np.array_equal(pixels[..., :3], PIXELS)


def test_bmp_with_its_top_row_first():
    data = bytearray(saved(PIXELS, "BMP"))
    data[22:26] = (-17).to_bytes(4, "little", signed=True)
    assert np.array_equal(tf.io.decode_bmp(bytes(data)), PIXELS[::-1])


def test_bmp_of_eight_bits_gives_indices():
    gray = saved(PIXELS[..., 0], "BMP")
    assert np.array_equal(tf.io.decode_bmp(gray)[..., 0], PIXELS[..., 0])
    assert np.array_equal(tf.io.decode_bmp(gray, 3)[..., 2], PIXELS[..., 0])


def test_gif_frames():
    pixels = tf.io.decode_gif(gif())
    assert pixels.shape == [3, 17, 22, 3]
    assert np.array_equal(tf.io.decode_image(gif()), pixels)
    assert np.array_equal(tf.io.decode_image(gif(), expand_animations=False), pixels[0])
    assert tf.io.decode_png(gif(1)).shape == [17, 22, 3]
    assert tf.io.decode_gif(JPEG).shape == [1, 17, 22, 3]


def test_webp():
    data = saved(PIXELS, "WEBP", lossless=True)
    assert np.array_equal(tf.io.decode_webp(data)[0], PIXELS)
    assert np.array_equal(tf.io.decode_image(data, expand_animations=False), PIXELS)
    with pytest.raises(E, match="does not match input"):
        tf.io.decode_webp(data, channels=4)


def test_decode_image_converts():
    assert checksum(tf.io.decode_image(JPEG, dtype=tf.uint16)) == 3960203994
    assert checksum(tf.io.decode_image(JPEG, dtype=tf.float32)) == 3651975128
    assert checksum(tf.io.decode_image(JPEG, dtype=tf.float16)) == 1635634821
    assert tf.io.decode_image(JPEG, channels=1).shape == [17, 22, 1]


def test_every_op_takes_most_formats():
    png = tf.io.encode_png(PIXELS).numpy()
    assert np.array_equal(tf.io.decode_jpeg(png), PIXELS)
    assert checksum(tf.io.decode_png(JPEG)) == 2144861275


REFUSED = [
    (tf.io.decode_image, b"", {}, "Input is empty"),
    (tf.io.decode_image, b"text", {}, "Unknown image file format"),
    (tf.io.decode_bmp, JPEG, {}, "Use `decode_jpeg` or `decode_image`"),
    (tf.io.decode_png, saved(PIXELS, "BMP"), {}, "Use `decode_bmp` or `decode_image`"),
    (tf.io.decode_jpeg, gif(), {}, "Got 3 frames"),
    (tf.io.decode_gif, b"GIF89a", {}, "Invalid GIF data"),
    (tf.io.decode_png, b"\x89PNG\r\n\x1a\n", {}, "Invalid PNG"),
    (tf.io.decode_jpeg, JPEG[:3], {}, "Invalid JPEG"),
    (tf.io.decode_jpeg, JPEG[:-60], {}, "Invalid JPEG"),
    (tf.io.decode_png, tf.io.encode_png(PIXELS).numpy()[:-30], {}, "Invalid PNG"),
    (tf.io.decode_bmp, saved(PIXELS, "BMP")[:-30], {}, "Incomplete bmp content"),
    (tf.io.decode_bmp, b"BM", {}, "at least 32 bytes"),
    (tf.io.decode_webp, saved(PIXELS, "WEBP")[:-30], {}, "Invalid WebP"),
    (tf.io.decode_jpeg, JPEG, {"channels": 2}, "channels"),
    (tf.io.decode_jpeg, JPEG, {"channels": 4}, "does not support 4 channels"),
    (tf.io.decode_jpeg, JPEG, {"ratio": 3}, "ratio must be 1, 2, 4, or 8"),
    (tf.io.decode_jpeg, JPEG, {"dct_method": "x"}, "dct_method must be one of"),
    (tf.io.decode_jpeg, [JPEG], {}, "must be scalar"),
    (tf.io.decode_image, gif(), {"channels": 1}, "channels must be 0 or 3 for GIF"),
    (tf.io.decode_bmp, saved(PIXELS, "BMP"), {"channels": 1}, "0, 3 or 4 for BMP"),
    (tf.io.decode_png, JPEG, {"dtype": tf.int32}, "dtype"),
    (tf.io.encode_jpeg, PIXELS[..., :2], {}, "1 or 3 channels"),
    (tf.io.encode_jpeg, PIXELS[..., 0], {}, "3-dimensional"),
    (tf.io.encode_jpeg, PIXELS, {"format": "grayscale"}, "expects 1 channels"),
    (tf.io.encode_jpeg, PIXELS, {"format": "x"}, "allowed values"),
    (tf.io.encode_jpeg, PIXELS, {"quality": 101}, "quality must be in"),
    (tf.io.encode_jpeg, PIXELS, {"density_unit": "mm"}, "density_unit"),
    (tf.io.encode_jpeg, PIXELS[:0], {}, "rows and columns"),
    (tf.io.encode_png, PIXELS[..., 0], {}, "at least rank 3"),
    (tf.io.encode_png, np.zeros((2, 2, 5), np.uint8), {}, "1, 2, 3, or 4 channels"),
    (tf.io.encode_png, PIXELS, {"compression": 10}, "compression should be in"),
    (tf.io.encode_png, PIXELS[:0], {}, "is empty"),
    (tf.io.encode_png, PIXELS.astype(np.float32), {}, "allowed values"),
]


@pytest.mark.parametrize("function, contents, options, message", REFUSED)
def test_refused(function, contents, options, message):
    with pytest.raises(E, match=message):
        function(contents, **options)


def test_sizes_for_which_there_is_no_memory():
    at = JPEG.index(b"\xff\xc0") + 5
    jpeg = JPEG[:at] + b"\xfe\0\xfe\0" + JPEG[at + 4 :]
    bmp = bytearray(saved(PIXELS, "BMP"))
    bmp[18:26] = b"\xff\xff\xff\x7f" * 2
    for data in (jpeg, bytes(bmp)):
        with pytest.raises(E, match="too large"):
            tf.io.decode_image(data)


def test_what_there_is_of_a_truncated_jpeg():
    pixels = tf.io.decode_jpeg(JPEG[:-30], try_recover_truncated=True)
    assert np.array_equal(pixels[:8, :8], tf.io.decode_jpeg(JPEG)[:8, :8])


def test_shapes_in_a_graph():
    shapes = []

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def decode(data):
        shapes.extend(
            [
                tf.io.decode_jpeg(data, channels=3).shape.as_list(),
                tf.io.decode_gif(data).shape.as_list(),
                tf.io.decode_webp(data).shape.as_list(),
                tf.io.decode_image(data, expand_animations=False, channels=1).shape.as_list(),
                tf.io.decode_and_crop_jpeg(data, [1, 2, 3, 4]).shape.as_list(),
            ]
        )
        return tf.io.decode_image(data)

    assert decode(JPEG).shape == [17, 22, 3]
    assert shapes == [[None, None, 3], [None, None, None, 3], [None] * 4, [None, None, 1], [3, 4, None]]


WHOLE = {
    "jpeg": JPEG,
    "png": tf.io.encode_png(PIXELS).numpy(),
    "png16": tf.io.encode_png(DEEP).numpy(),
    "gif": gif(),
    "bmp": saved(PIXELS, "BMP"),
    "webp": saved(PIXELS, "WEBP"),
}


@pytest.mark.parametrize("kind", WHOLE)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damaged_images_raise_value_errors_only(kind, data):
    damaged = bytearray(WHOLE[kind])
    for _ in range(data.draw(st.integers(1, 3))):
        # No larger sizes in the header: a picture of a gigabyte is allowed, but takes a while.
        damaged[data.draw(st.integers(60, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    try:
        images.decode("DecodeImage", damaged)
    except ValueError:
        pass


def test_jpeg_quality():
    noise = np.random.default_rng(0).integers(0, 255, (8, 9, 3)).astype(np.uint8)
    assert tf.image.adjust_jpeg_quality(noise, 50).numpy().ravel()[:4].tolist() == [207, 146, 143, 107]
    floats = tf.image.adjust_jpeg_quality(noise.astype(np.float32) / 255, tf.constant(50))
    assert np.allclose(floats.numpy().ravel()[:4] * 255, [207, 146, 143, 107])
    stateless = tf.image.stateless_random_jpeg_quality(noise, 75, 95, seed=(1, 2))
    assert stateless.numpy().ravel()[:4].tolist() == [182, 185, 168, 55]
    tf.random.set_seed(1)
    assert tf.image.random_jpeg_quality(noise, 75, 95).numpy().ravel()[:4].tolist() == [195, 168, 159, 76]
    with pytest.raises(ValueError, match="less than"):
        tf.image.random_jpeg_quality(noise, 95, 75)
    with pytest.raises(ValueError, match="between 0 and 100"):
        tf.image.stateless_random_jpeg_quality(noise, 1, 101, (1, 2))


def test_jpeg_xl():
    codecs = pytest.importorskip("imagecodecs")
    data = codecs.jpegxl_encode(PIXELS, lossless=True)
    assert np.array_equal(tf.io.decode_jxl(data), PIXELS)
    assert np.array_equal(tf.io.decode_image(data), PIXELS)
    deep = tf.io.decode_jxl(codecs.jpegxl_encode(DEEP, lossless=True))
    assert np.abs(deep.numpy() - DEEP / 257).max() <= 1
    with pytest.raises(E, match="does not match input"):
        tf.io.decode_jxl(data, channels=1)
    with pytest.raises(E, match="Failed to decode JXL"):
        tf.io.decode_jxl(data[:-5])
    with pytest.raises(E, match="JXL only supports uint8"):
        tf.io.decode_image(data, dtype=tf.float32)


def test_jpeg_xl_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(tf.errors.UnimplementedError, match="pip install imagecodecs"):
        tf.io.decode_jxl(b"\xff\x0a")
