import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import penstock as tf
from penstock.data.late_images import BatchOfImages
from penstock.data.native_images import are_whole, is_possible
from penstock.data.planner import planned
from penstock.io.jpeg import decode_jpeg

pytestmark = pytest.mark.skipif(not is_possible(), reason="no native kernels")


def encoded(seed, size, mode="RGB", kind="JPEG", **how):
    shape = size if mode == "L" else (*size, 3)
    blocks = np.random.default_rng(seed).integers(0, 255, shape, np.uint8).repeat(3, 0).repeat(3, 1)
    out = io.BytesIO()
    Image.fromarray(blocks, mode).save(out, kind, **how)
    return out.getvalue()


GOOD = [
    encoded(0, (9, 13)),
    encoded(1, (9, 13), subsampling=0),
    encoded(2, (11, 7), subsampling=1),
    encoded(3, (9, 13), mode="L"),
    encoded(4, (9, 13), quality=30, restart_marker_blocks=2),
]
OTHERS = [encoded(5, (9, 13), progressive=True), encoded(6, (9, 13), kind="PNG")]
FLIPPED_BITS = bytearray(GOOD[0])
FLIPPED_BITS[-40] ^= 0x55
DAMAGED = [GOOD[0][:-60], bytes(FLIPPED_BITS), b"no image", GOOD[1].replace(b"\xff\xc4", b"\xff\xc3", 1)]


def images(contents, size=(8, 10), **decoding):
    """The pipeline under test: decoded, resized, divided, flipped at random, and shuffled."""

    def made(data, number):
        pixels = tf.io.decode_jpeg(data, channels=3, **decoding)
        image = tf.image.resize(pixels, size) / 255.0
        return tf.image.random_flip_left_right(image, seed=5), number

    numbers = np.arange(len(contents))
    dataset = tf.data.Dataset.from_tensor_slices((contents, numbers))
    return dataset.map(made, num_parallel_calls=tf.data.AUTOTUNE).shuffle(
        7, seed=3, reshuffle_each_iteration=False
    )


def outcomes(dataset):
    """What comes out of a pipeline, with errors in their places."""
    found, elements = [], iter(dataset)
    for _ in range(100):
        try:
            found.append([each.numpy().tolist() for each in next(elements)])
        except StopIteration:
            return found
        except tf.errors.OpError as error:
            found.append((type(error).__name__, error.message))
    raise AssertionError("the pipeline does not end")


def unplanned(dataset):
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    return dataset.with_options(options)


def plan_of(dataset):
    return type(planned(dataset))


def test_images_are_made_in_their_batch_where_nothing_is_done_to_them_afterwards():
    dataset = images(GOOD)
    assert plan_of(dataset.batch(2)) is BatchOfImages
    assert plan_of(dataset.take(3).repeat(2).batch(2)) is BatchOfImages
    assert plan_of(dataset.map(lambda image, number: (image + 1.0, number)).batch(2)) is not BatchOfImages
    assert plan_of(dataset.cache().batch(2)) is not BatchOfImages


@pytest.mark.parametrize("drop", [False, True], ids=["all", "whole batches"])
@pytest.mark.parametrize("contents", [GOOD * 6, (GOOD + OTHERS) * 3], ids=["baseline", "of all kinds"])
def test_batches_are_those_of_the_plain_pipeline(contents, drop):
    dataset = images(contents).batch(4, drop_remainder=drop)
    assert outcomes(dataset) == outcomes(unplanned(dataset))


@pytest.mark.parametrize(
    "decoding",
    [{"dct_method": "INTEGER_ACCURATE"}, {"fancy_upscaling": False}, {"ratio": 2}],
    ids=lambda each: next(iter(each)),
)
def test_images_are_decoded_as_asked(decoding):
    dataset = images(GOOD, **decoding).batch(3)
    assert outcomes(dataset) == outcomes(unplanned(dataset))


@pytest.mark.parametrize(
    "sizes",
    [[(100, 100)] * 2, [(90, 90), (67, 50)], [(30, 20), (32, 32)]],
    ids=["rows_apart", "mixed", "enlarged"],
)
def test_large_images_are_those_of_the_plain_pipeline(sizes):
    contents = [encoded(seed, size) for seed, size in enumerate(sizes)]
    dataset = images(contents, size=(96, 96)).batch(2)
    assert plan_of(dataset) is BatchOfImages
    assert outcomes(dataset) == outcomes(unplanned(dataset))


@pytest.mark.parametrize("damaged", DAMAGED, ids=["cut off", "wrong bits", "text", "wrong marker"])
@pytest.mark.parametrize("ignored", [False, True], ids=["raised", "ignored"])
def test_errors_come_where_the_plain_pipeline_has_them(damaged, ignored):
    dataset = images(GOOD * 3 + [damaged] + GOOD * 2)
    if ignored:
        dataset = dataset.ignore_errors().batch(4)
        assert outcomes(dataset) == outcomes(unplanned(dataset))
    dataset = images(GOOD * 3 + [damaged] + GOOD * 2).batch(4)
    assert outcomes(dataset) == outcomes(unplanned(dataset))


@pytest.mark.parametrize("given_before", [0, 1, 3])
def test_a_saved_position_is_the_exact_one(given_before, tmp_path):
    dataset = images(GOOD * 5).batch(3)
    elements = iter(dataset)
    for _ in range(given_before):
        next(elements)
    path = tf.train.Checkpoint(elements).save(str(tmp_path / "position"))
    rest = [number.numpy().tolist() for _, number in elements]
    again = iter(dataset)
    tf.train.Checkpoint(again).restore(path)
    assert [number.numpy().tolist() for _, number in again] == rest


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.data())
def test_what_counts_as_whole_can_be_decoded(kind, data):
    damaged = bytearray(GOOD[kind])
    for _ in range(data.draw(st.integers(0, 3))):
        damaged[data.draw(st.integers(2, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(damaged[: data.draw(st.integers(len(damaged) // 2, len(damaged)))])
    if are_whole([damaged]) == [True]:
        decode_jpeg(damaged)


@pytest.mark.parametrize("image", GOOD)
def test_plain_images_are_whole(image):
    assert are_whole([image]) == [True]
    assert not any(are_whole([image[:size] for size in range(len(image) - 1)]))


@pytest.mark.parametrize("image", OTHERS + DAMAGED[:1] + DAMAGED[2:])
def test_others_are_not(image):
    assert are_whole([image, GOOD[0]]) == [False, True]
