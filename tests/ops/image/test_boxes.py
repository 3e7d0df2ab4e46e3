"""Non-maximum suppression, boxes drawn on images, glimpses and random crops."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

BOXES = np.array(
    [[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, -0.1, 1, 0.9], [0, 10, 1, 11], [0, 10.1, 1, 11.1], [0, 100, 1, 101]],
    np.float32,
)
SCORES = np.array([0.9, 0.75, 0.6, 0.95, 0.5, 0.3], np.float32)


def test_overlapping_boxes_are_suppressed():
    np.testing.assert_array_equal(tf.image.non_max_suppression(BOXES, SCORES, 3), [3, 0, 5])
    np.testing.assert_array_equal(tf.image.non_max_suppression(BOXES, SCORES, 2), [3, 0])
    np.testing.assert_array_equal(tf.image.non_max_suppression(BOXES, SCORES, 6, score_threshold=0.4), [3, 0])


def test_corners_may_be_swapped():
    swapped = BOXES[:, [2, 3, 0, 1]]
    np.testing.assert_array_equal(tf.image.non_max_suppression(swapped, SCORES, 3), [3, 0, 5])


def test_soft_suppression_lowers_scores():
    indices, scores = tf.image.non_max_suppression_with_scores(
        BOXES, SCORES, 6, iou_threshold=1.0, soft_nms_sigma=0.5
    )
    np.testing.assert_array_equal(indices, [3, 0, 1, 5, 4, 2])
    np.testing.assert_allclose(scores, [0.95, 0.9, 0.384, 0.3, 0.256, 0.197], atol=1e-3)


def test_soft_suppression_ignores_the_threshold():
    low = tf.image.non_max_suppression_with_scores(BOXES, SCORES, 6, iou_threshold=0.5, soft_nms_sigma=0.5)
    high = tf.image.non_max_suppression_with_scores(BOXES, SCORES, 6, iou_threshold=1.0, soft_nms_sigma=0.5)
    np.testing.assert_array_equal(low[0], high[0])


def test_padded_results():
    indices, valid = tf.image.non_max_suppression_padded(BOXES, SCORES, 5, pad_to_max_output_size=True)
    np.testing.assert_array_equal(indices, [3, 0, 5, 0, 0])
    assert valid.numpy() == 3
    indices, valid = tf.image.non_max_suppression_padded(
        np.stack([BOXES, BOXES]), np.stack([SCORES, SCORES]), 5, pad_to_max_output_size=True
    )
    np.testing.assert_array_equal(indices, [[3, 0, 5, 0, 0]] * 2)
    with pytest.raises(ValueError, match="pad_to_max_output_size"):
        tf.image.non_max_suppression_padded(BOXES[None], SCORES[None], 5)


def test_overlaps_may_be_given():
    overlaps = np.eye(6, dtype=np.float32)
    overlaps[0, 3] = overlaps[3, 0] = 0.8
    chosen = tf.image.non_max_suppression_overlaps(overlaps, SCORES, 3)
    np.testing.assert_array_equal(chosen, [3, 1, 2])


def test_combined_suppression_takes_each_class_for_itself():
    boxes = np.clip(BOXES / 200, 0, 1)[None, :, None]
    scores = np.stack([SCORES, SCORES[::-1]], -1)[None]
    found, kept, classes, valid = tf.image.combined_non_max_suppression(boxes, scores, 2, 3)
    assert found.shape == [1, 3, 4]
    np.testing.assert_allclose(kept, [[0.95, 0.95, 0.9]])
    assert sorted(classes[0].numpy().tolist()[:2]) == [0.0, 1.0]
    np.testing.assert_array_equal(valid, [3])


@pytest.mark.parametrize(
    "boxes, scores, threshold", [(BOXES[:, :3], SCORES, 0.5), (BOXES, SCORES[:3], 0.5), (BOXES, SCORES, 2.0)]
)
def test_bad_boxes(boxes, scores, threshold):
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.image.non_max_suppression(boxes, scores, 3, threshold)


def test_boxes_are_drawn_in_turn():
    image = tf.zeros([1, 5, 5, 3])
    boxes = [[[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]]]
    drawn = tf.image.draw_bounding_boxes(image, boxes, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    red = np.zeros((5, 5))
    red[:3, :3] = 1
    red[1, 1] = 0
    red[2, 2] = 0  # the second box is drawn over it
    np.testing.assert_array_equal(drawn[0, :, :, 0], red)
    assert drawn[0, 2, 2, 1].numpy() == 1


def test_glimpses():
    image = tf.reshape(tf.range(25.0), [1, 5, 5, 1])
    middle = tf.image.extract_glimpse(image, [3, 3], [[0.0, 0.0]])
    np.testing.assert_array_equal(middle[0, :, :, 0], np.arange(25.0).reshape(5, 5)[1:4, 1:4])
    beyond = tf.image.extract_glimpse(
        image, [3, 3], [[3.0, 3.0]], centered=False, normalized=False, noise="zero"
    )
    np.testing.assert_array_equal(beyond[0, :, :, 0], [[18, 19, 0], [23, 24, 0], [0, 0, 0]])


def test_random_crops_cover_the_object():
    object_box = [[[0.2, 0.3, 0.6, 0.8]]]
    for seed in range(5):
        begin, size, box = tf.image.stateless_sample_distorted_bounding_box(
            [60, 80, 3], object_box, [seed, 1], min_object_covered=0.5
        )
        y, x = begin.numpy()[:2]
        tall, wide = size.numpy()[:2]
        np.testing.assert_allclose(box[0, 0], [y / 60, x / 80, (y + tall) / 60, (x + wide) / 80], rtol=1e-5)
        rows = min(y + tall, 36) - max(y, 12)
        columns = min(x + wide, 64) - max(x, 24)
        assert rows * columns >= 0.5 * 24 * 40
        assert 0.05 * 4800 <= tall * wide
    with pytest.raises(tf.errors.InvalidArgumentError, match="No bounding boxes"):
        tf.image.stateless_sample_distorted_bounding_box([60, 80, 3], np.zeros((1, 0, 4)), [0, 1])


def test_proposals_are_decoded_clipped_and_thinned():
    anchors = [[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 9.0], [10.0, 10.0, 30.0, 30.0], [5.0, 5.0, 6.0, 6.0]]
    deltas = np.zeros([1, 1, 2, 8], np.float32)
    deltas[0, 0, 1, 0] = 0.5  # the third box moves down by half its height
    boxes, scores = tf.image.generate_bounding_box_proposals(
        [[[[0.9, 0.8], [0.7, 0.6]]]],
        deltas,
        [[25.0, 28.0, 2.0, 0.0, 0.0]],
        anchors,
        min_size=2,
        post_nms_topn=3,
    )
    np.testing.assert_allclose(boxes[0], [[0, 0, 10, 10], [20, 10, 25, 28], [0, 0, 0, 0]])
    np.testing.assert_allclose(scores, [[0.9, 0.7, 0]])


def test_proposals_need_matching_shapes():
    with pytest.raises(tf.errors.InvalidArgumentError, match="bbox_deltas"):
        tf.image.generate_bounding_box_proposals(
            np.zeros([1, 1, 1, 2]), np.zeros([1, 1, 1, 4]), np.ones([1, 5]), np.zeros([2, 4])
        )
