"""CTC decoding: the best path (CTCGreedyDecoder) and prefix beam search (CTCBeamSearchDecoder), on the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.ops.casting import cast
from penstock.ops.dtype_sets import WIDE_FLOATS
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.tensors import Tensor


def _check(inputs: np.ndarray, times: np.ndarray) -> None:
    if inputs.ndim != 3:
        raise ValueError(f"inputs is not a 3-Tensor: {list(inputs.shape)}")
    if times.shape != inputs.shape[1:2]:
        raise ValueError(
            f"sequence_length of shape {list(times.shape)} does not fit inputs {list(inputs.shape)}"
        )
    if (times > inputs.shape[0]).any():
        raise ValueError(f"sequence_length must be <= {inputs.shape[0]}, got {times.tolist()}")


def _as_sparse(sequences: list[list[int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices, values and dense shape of label sequences."""
    places = [(row, column) for row, labels in enumerate(sequences) for column in range(len(labels))]
    indices = np.array(places, np.int64).reshape(-1, 2)
    values = np.array([label for labels in sequences for label in labels], np.int64)
    return indices, values, np.array([len(sequences), max(map(len, sequences), default=0)], np.int64)


def _merged(labels: list[int]) -> list[int]:
    return [label for i, label in enumerate(labels) if i == 0 or label != labels[i - 1]]


def _greedy(inputs: np.ndarray, times: np.ndarray, *, merge_repeated: bool, blank_index: int) -> tuple:
    _check(inputs, times)
    classes = inputs.shape[2]
    blank = blank_index + classes if blank_index < 0 else blank_index
    if not 0 <= blank < classes:
        raise ValueError(f"blank_index must be in [{-classes}, {classes}), got {blank_index}")
    best = inputs.argmax(2)
    counted = np.arange(inputs.shape[0])[:, None] < times[None, :]
    kept = counted & (best != blank)
    if merge_repeated:
        kept[1:] &= best[1:] != best[:-1]
    sequences = [best[kept[:, row], row].tolist() for row in range(inputs.shape[1])]
    scores = -np.where(counted, inputs.max(2), 0).sum(0).astype(inputs.dtype)
    return *_as_sparse(sequences), scores[:, None]


class _Prefixes:
    """A tree of label sequences; the node 0 is the empty one."""

    def __init__(self) -> None:
        self.parent, self.label = [-1], [-1]
        self._children: dict[tuple[int, int], int] = {}

    def child(self, node: int, label: int) -> int:
        """The sequence `node` followed by `label`."""
        found = self._children.get((node, label))
        if found is None:
            found = self._children[node, label] = len(self.parent)
            self.parent.append(node)
            self.label.append(label)
        return found

    def sequence(self, node: int) -> list[int]:
        """The labels of a node."""
        labels = []
        while node:
            labels.append(self.label[node])
            node = self.parent[node]
        return labels[::-1]


def _search(log_probs: np.ndarray, beam_width: int) -> tuple[list[list[int]], np.ndarray]:
    """The most probable label sequences of one input, best first (Graves, "Sequence Transduction", 2012; blank last).

    Every prefix in the beam knows the log-probability of the paths that end in a blank and of those that end in its
    last label.
    """
    prefixes = _Prefixes()
    nodes = np.array([0])
    in_blank, in_label = np.zeros(1), np.full(1, -np.inf)
    blank = log_probs.shape[1] - 1
    for step in log_probs:
        total = np.logaddexp(in_blank, in_label)
        last = np.array([prefixes.label[node] for node in nodes])
        # Prefixes that stay: one more blank, or their label again, or their label after their parent.
        place = {node: i for i, node in enumerate(nodes)}
        parents = np.array([place.get(prefixes.parent[node], -1) for node in nodes])
        from_parent = np.where(last == last[parents], in_blank[parents], total[parents])
        from_parent = np.where(parents >= 0, from_parent, -np.inf)
        stay_label = np.where(last >= 0, np.logaddexp(in_label, from_parent) + step[last], -np.inf)
        stay_blank = total + step[blank]
        # Prefixes that grow: a label that repeats the last one needs a blank between.
        grown = total[:, None] + step[None, :blank]
        rows = np.flatnonzero(last >= 0)
        grown[rows, last[rows]] = in_blank[rows] + step[last[rows]]
        grown[parents[parents >= 0], last[parents >= 0]] = -np.inf  # those are in the beam already
        scores = np.concatenate([np.logaddexp(stay_blank, stay_label), grown.reshape(-1)])
        best = np.argsort(-scores, kind="stable")[:beam_width]
        best = best[scores[best] > -np.inf]
        count = len(nodes)
        stays = best[best < count]
        grows = best[best >= count] - count
        made = [prefixes.child(int(nodes[i // blank]), int(i % blank)) for i in grows]
        in_blank = np.concatenate([stay_blank[stays], np.full(len(grows), -np.inf)])
        in_label = np.concatenate([stay_label[stays], grown.reshape(-1)[grows]])
        nodes = np.concatenate([nodes[stays], np.array(made, np.int64)])
    total = np.logaddexp(in_blank, in_label)
    order = np.argsort(-total, kind="stable")
    return [prefixes.sequence(int(nodes[i])) for i in order], total[order]


def _beam_search(
    inputs: np.ndarray, times: np.ndarray, *, beam_width: int, top_paths: int, merge_repeated: bool
) -> tuple:
    _check(inputs, times)
    if top_paths > beam_width:
        raise ValueError(f"requested more paths ({top_paths}) than the beam width ({beam_width})")
    wide = inputs.astype(np.float64)
    largest = wide.max(2, keepdims=True)
    log_probs = wide - largest - np.log(np.exp(wide - largest).sum(2, keepdims=True))
    batch = inputs.shape[1]
    paths: list[list[list[int]]] = [[] for _ in range(top_paths)]
    scores = np.full((batch, top_paths), -np.inf, inputs.dtype)
    with np.errstate(divide="ignore", invalid="ignore"):
        for row in range(batch):
            sequences, totals = _search(log_probs[: times[row], row], beam_width)
            if len(sequences) < top_paths:
                raise ValueError(
                    f"Less leaves in the beam search ({len(sequences)}) than requested ({top_paths})"
                )
            for path in range(top_paths):
                labels = sequences[path]
                paths[path].append(_merged(labels) if merge_repeated else labels)
                scores[row, path] = totals[path]
    parts = [_as_sparse(each) for each in paths]
    return *(part[i] for i in range(3) for part in parts), scores


def _greedy_shapes(call: ShapeCall) -> list[TensorShape]:
    batch = call.shape(0).with_rank(3)[1]
    return [TensorShape([None, 2]), TensorShape([None]), TensorShape([2]), TensorShape([batch, 1])]


def _beam_shapes(call: ShapeCall) -> list[TensorShape]:
    batch, paths = call.shape(0).with_rank(3)[1], call.attrs["top_paths"]
    kinds = (TensorShape([None, 2]), TensorShape([None]), TensorShape([2]))
    return [kind for kind in kinds for _ in range(paths)] + [TensorShape([batch, paths])]


op(
    "CTCGreedyDecoder(inputs: T, sequence_length: int32; merge_repeated=False, blank_index=-1) -> "
    "(decoded_indices: int64, decoded_values: int64, decoded_shape: int64, log_probability: T)",
    numpy=_greedy,
    shape=_greedy_shapes,
    gradient=stops,
    types={"T": WIDE_FLOATS},
)
op(
    "CTCBeamSearchDecoder(inputs: T, sequence_length: int32; beam_width, top_paths, merge_repeated=True) -> "
    "(decoded_indices: top_paths*int64, decoded_values: top_paths*int64, decoded_shape: top_paths*int64, "
    "log_probability: T)",
    numpy=_beam_search,
    shape=_beam_shapes,
    gradient=stops,
    types={"T": WIDE_FLOATS},
)


@export("nn.ctc_greedy_decoder")
def ctc_greedy_decoder(
    inputs: Any, sequence_length: Any, merge_repeated: bool = True, blank_index: int | None = None
) -> tuple[list[SparseTensor], Tensor]:
    """The labels on the most probable path: the best class of each step, without blanks.

    Args:
      inputs: `[time, batch, classes]` logits, float32 or float64.
      sequence_length: `[batch]`: the number of steps of each sequence.
      merge_repeated: steps of one class that follow each other give one label.
      blank_index: the class between labels, the last one by default.

    Returns:
      A list with one SparseTensor of labels `[batch, longest]` int64, and the negative sum of the logits on the path
      `[batch, 1]`.

    Raises:
      InvalidArgumentError: a sequence is longer than the input, or `blank_index` is out of range.

    Example:
      >>> import penstock as tf
      >>> logits = tf.one_hot([[0], [0], [2], [1]], 3)
      >>> decoded, _ = tf.nn.ctc_greedy_decoder(logits, [4])
      >>> decoded[0].values.numpy()
      array([0, 1])
    """
    attrs = {"merge_repeated": merge_repeated, "blank_index": -1 if blank_index is None else blank_index}
    times = cast(sequence_length, dtypes.int32)
    *decoded, scores = execute("CTCGreedyDecoder", (convert_to_tensor(inputs), times), attrs)
    return [SparseTensor(*decoded)], scores


@export("nn.ctc_beam_search_decoder", v1=["nn.ctc_beam_search_decoder_v2"])
def ctc_beam_search_decoder(
    inputs: Any, sequence_length: Any, beam_width: int = 100, top_paths: int = 1
) -> tuple[list[SparseTensor], Tensor]:
    """The most probable label sequences, by prefix beam search; the blank is the last class.

    Args:
      inputs: `[time, batch, classes]` logits, float32 or float64.
      sequence_length: `[batch]`: the number of steps of each sequence.
      beam_width: how many prefixes are kept at each step.
      top_paths: how many sequences are returned.

    Returns:
      A list of `top_paths` SparseTensors of labels `[batch, longest]` int64, and the log-probability of each
      `[batch, top_paths]`.

    Raises:
      InvalidArgumentError: `top_paths` is larger than `beam_width`, or a sequence is longer than the input.

    Example:
      >>> import penstock as tf
      >>> logits = 5.0 * tf.one_hot([[0], [0], [2], [1]], 3)
      >>> decoded, _ = tf.nn.ctc_beam_search_decoder(logits, [4], beam_width=4)
      >>> decoded[0].values.numpy()
      array([0, 1])
    """
    return ctc_beam_search_decoder_v1(inputs, sequence_length, beam_width, top_paths, merge_repeated=False)


@export(v1=["nn.ctc_beam_search_decoder"])
def ctc_beam_search_decoder_v1(
    inputs: Any, sequence_length: Any, beam_width: int = 100, top_paths: int = 1, merge_repeated: bool = True
) -> tuple[list[SparseTensor], Tensor]:
    """TF 1's form: by default labels of the result that repeat their predecessor are merged."""
    attrs = {"beam_width": beam_width, "top_paths": top_paths, "merge_repeated": merge_repeated}
    times = cast(sequence_length, dtypes.int32)
    outputs = execute("CTCBeamSearchDecoder", (convert_to_tensor(inputs), times), attrs)
    parts = [outputs[i * top_paths : (i + 1) * top_paths] for i in range(3)]
    return [SparseTensor(*each) for each in zip(*parts, strict=True)], outputs[-1]
