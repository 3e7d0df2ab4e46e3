"""Images that are made in their batch: `map(parse, decode, resize).shuffle().batch()` shuffles JPEGs instead of pixels.

What a map does before it decodes stays where it was, and so does the decoding of any JPEG that might fail. All others
are decoded when a batch gets them, each right in its place there. Elements, order, random numbers and errors are the
same; a shuffle's buffer takes a tenth of the memory, and no image is copied. The planner calls `images_in_batches`.
"""

from __future__ import annotations

import collections
import copy
import functools
import itertools
import math
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from penstock.data.batching import Batch, stack
from penstock.data.dataset import Dataset
from penstock.data.element import ElementFunction, as_array, as_bytes, as_eager
from penstock.data.fusion import inlined
from penstock.data.image_chains import ImageChain, image_chain
from penstock.data.iteration import Iteration
from penstock.data.native_images import JpegImages, are_whole, is_possible
from penstock.data.ordering import Repeat, Shard, Skip, Take
from penstock.data.parallel_calls import Parallelism
from penstock.data.per_element import Map
from penstock.data.shuffling import Shuffle
from penstock.data.workers import Parts, Workers
from penstock.engine import context
from penstock.engine.aligned import empty_at
from penstock.engine.static_value import constant_value
from penstock.graph.func_graph import FuncGraph, set_outputs
from penstock.runtime.executor import Executor
from penstock.runtime.fusion import Uses
from penstock.runtime.lowering import pruned
from penstock.types.specs import TensorSpec

_ORDER = (Repeat, Shard, Shuffle, Skip, Take)  # nodes that never look into an element
_BATCHES_AT_ONCE = 2  # while the consumer has one, the next is made
_FLOAT32 = np.dtype(np.float32)


class LateImage(NamedTuple):
    """An image of an element.

    Attributes:
      component: which of the arrays of an element it is; the JPEG stands there until it is decoded.
      condition: where the condition of its flip stands, or None.
      shape: of the result. chain: the operations that make it.
    """

    component: int
    condition: int | None
    shape: tuple[int, ...]
    chain: ImageChain


class MapToJpegs(Map):
    """The part of a map before its images. An image that might fail to decode is made here, where the whole map would."""

    _images: list[LateImage]

    @classmethod
    def of_map(cls, mapping: Map, function: ElementFunction, images: list[LateImage]) -> MapToJpegs:
        """As `mapping`, with the part of its function, and the images that are left out of that."""
        node = cls.of_function(mapping, mapping._parents[0], function)
        node._images, node._whole_name = images, mapping._function.name
        return node

    def _completed(self, call: Callable) -> Callable:
        complete = self._completion()
        return lambda element: complete([call(element)])[0]

    def _several_completed(self, several: Callable) -> Callable:
        complete = self._completion()
        return lambda elements: complete(several(elements))

    def _completion(self) -> Callable[[list[list]], list[list]]:
        """Makes the images of elements that might fail."""
        made = [(each, each.chain.body()) for each in self._images]

        def complete(elements: list[list]) -> list[list]:
            for image, body in made:
                component = image.component
                jpegs = [as_bytes(each[component]) for each in elements]
                for element, jpeg, whole in zip(elements, jpegs, are_whole(jpegs)):
                    if whole:
                        element[component] = jpeg
                        continue
                    try:
                        element[component] = body(*_inputs(element, image))
                    except Exception:  # which operation it was, and what it says, shows now
                        element[component] = _one_by_one(image.chain, _inputs(element, image))
            return elements

        return complete

    def _describe(self) -> str:
        return f"{self._whole_name} up to its images"


def _one_by_one(chain: ImageChain, values: list) -> Any:
    """The result of a chain whose operations are each called by itself, with their own errors."""
    given, last = chain.inputs(), chain.operations[-1].outputs[0]
    waiting, found = [last.op], {}
    while waiting:
        operation = waiting.pop()
        if id(operation) not in found:
            found[id(operation)] = operation
            waiting += [each.op for each in operation.inputs if not any(each is other for other in given)]
    operations = [each for each in last.graph.get_operations() if id(each) in found]
    run = Executor(operations, given, [last], prefer_host=True).run
    outer = context.thread.graph, context.thread.tapes
    context.thread.graph, context.thread.tapes = None, ()
    try:
        return run([as_array(each) for each in values])[0]
    finally:
        context.thread.graph, context.thread.tapes = outer


class BatchOfImages(Batch):
    """Elements stacked, whose images are made in their places in the batch, on threads."""

    def __init__(self, batch: Batch, source: Dataset, images: list[LateImage], parallel: Any):
        self.__dict__.update(batch.__dict__)
        self._parents, self._images, self._parallel = (source,), images, parallel

    def _elements(self, at: Iteration) -> Iterator[list]:
        size, asked = int(self._batch_size), int(at.value(self._parallel))
        threads = _threads(Parallelism.of(asked, at.options))
        at.tuned["threads"] = threads
        taken = _Batches(at.kept.get("taken", []), at.input(), size, self._drop)
        making: collections.deque[_Making] = collections.deque()
        at.keep(lambda: {"taken": [each.rows for each in making]})
        workers = Workers(threads, "tf_data_images")
        try:
            maker = _Maker(self._images, workers, threads)
            while True:
                while len(making) < _BATCHES_AT_ONCE:
                    rows = next(taken, None)
                    if rows is None:
                        break
                    making.append(maker.begin(rows))
                if not making:
                    taken.end()
                    return
                started = time.perf_counter()
                batch = making[0].result()
                at.waited += time.perf_counter() - started
                making.popleft()
                yield batch
        finally:
            workers.end()

    def _describe(self) -> str:
        return f"{super()._describe()}, images in their places"


def _threads(parallelism: Parallelism) -> int:
    """Codecs keep a processor busy, so that more threads than processors are of no use."""
    return min(parallelism.calls or os.cpu_count() or 1, parallelism.most, parallelism.threads)


class _Batches:
    """The rows of one batch after the other; an error waits until the batches before it have had their turn.

    Args:
      first: batches that were taken before. elements: what comes then.
    """

    def __init__(self, first: list, elements: Iterator[list], size: int, drop: bool):
        self._first, self._elements, self._size, self._drop = iter(first), elements, size, drop
        self._error: Exception | None = None

    def __next__(self) -> list[list]:
        for rows in self._first:
            return rows
        if self._error is not None:
            raise StopIteration
        try:
            rows = list(itertools.islice(self._elements, self._size))
        except Exception as error:
            self._error = error
            raise StopIteration from None
        if not rows or (self._drop and len(rows) < self._size):
            raise StopIteration
        return rows

    def __iter__(self) -> _Batches:
        return self

    def end(self) -> None:
        """Raises the error that ended the elements, if it was one."""
        if self._error is not None:
            raise self._error


class _Making(NamedTuple):
    """A batch whose images are being made."""

    rows: list[list]
    batch: list[np.ndarray]
    parts: Parts

    def result(self) -> list[np.ndarray]:
        """The batch, when all of them are there."""
        self.parts.wait()
        return self.batch


class _Maker:
    """What makes batches.

    Args:
      images: those of an element. workers: the threads that make them. threads: how many these are.
    """

    def __init__(self, images: list[LateImage], workers: Workers, threads: int):
        self._workers, self._threads = workers, threads
        self._images = [_Images(each) for each in images]
        self._late = {each.component for each in images}
        self._conditions = sum(each.condition is not None for each in images)

    def begin(self, rows: list[list]) -> _Making:
        """Begins to make the batch of some elements."""
        batch: list = [
            None if index in self._late else stack([as_eager(row[index]) for row in rows], index)
            for index in range(len(rows[0]) - self._conditions)
        ]
        fills = [each.of(rows, batch) for each in self._images]

        def fill(start: int, stop: int) -> None:
            for each in fills:
                each(start, stop)

        step = -(-len(rows) // self._threads)
        starts = range(0, len(rows), step)
        parts = [functools.partial(fill, start, min(start + step, len(rows))) for start in starts]
        return _Making(rows, batch, self._workers.call(parts))


class _Images:
    """Makes an image of several elements."""

    def __init__(self, image: LateImage):
        self._image, self._body = image, image.chain.body_into()
        several = JpegImages(image.chain, image.shape)
        self._several = several if several.possible else None
        self._size = math.prod(image.shape) * _FLOAT32.itemsize

    def of(self, rows: list[list], batch: list) -> Callable[[int, int], None]:
        """Puts an array for the images into a batch.

        Returns:
          `fill(start, stop)`, which makes those of some elements, on any thread.
        """
        component, condition = self._image.component, self._image.condition
        images, address = empty_at((len(rows), *self._image.shape), _FLOAT32)
        batch[component] = images
        values = [row[component] for row in rows]
        several = None
        if self._several is not None:
            flips_if = self._image.chain.flips_if
            flipped = [condition is not None and bool(row[condition]) == flips_if for row in rows]
            jpegs = [each if type(each) is bytes else b"" for each in values]
            several = self._several.of(jpegs, flipped, address)

        def fill(start: int, stop: int) -> None:
            made = [False] * (stop - start) if several is None else several.make(start, stop)
            for index, done in enumerate(made, start):
                if done:
                    continue
                if type(values[index]) is bytes:
                    self._body(address + index * self._size, *_inputs(rows[index], self._image))
                else:
                    images[index] = values[index]

        return fill


def _inputs(element: list, image: LateImage) -> list:
    """What the chain of an image takes."""
    data = element[image.component]
    return [data] if image.condition is None else [data, element[image.condition]]


def images_in_batches(node: Any) -> BatchOfImages | None:
    """A batch that makes its images itself, in the place of a parallel map that makes them, perhaps a shuffle, and a batch."""
    if type(node) is not Batch or not node._plain or not isinstance(node._batch_size, int):
        return None
    between: list[Dataset] = []
    mapping = node._parents[0]
    while isinstance(mapping, _ORDER):
        between.append(mapping)
        mapping = mapping._parents[0]
    if type(mapping) is not Map or mapping._parallel is None or not is_possible():
        return None
    if mapping._function.in_debug_mode:
        return None
    images = _late_images(mapping._function)
    if not images:
        return None
    source: Dataset = MapToJpegs.of_map(mapping, _before(mapping._function, images), images)
    for each in reversed(between):
        other = copy.copy(each)
        other._parents = (source,)
        source = other
    return BatchOfImages(node, source, images, mapping._parallel)


def _late_images(function: ElementFunction) -> list[LateImage]:
    """The results of a function that are images with nothing done to them afterwards."""
    graph = function.graph
    operations = [each for each in pruned(graph) if each.type != "Const"]
    results = [id(each) for each in graph.outputs]
    conditions = itertools.count(len(results))
    uses = Uses(operations, graph.outputs)
    images = []
    for operation in operations:
        chain = image_chain(operation, uses, constant_value) if operation.type == "DecodeJpeg" else None
        if chain is None:
            continue
        result = chain.operations[-1].outputs[0]
        if (
            results.count(id(result)) != 1
            or not result.shape.is_fully_defined()
            or operation.inputs[0].shape.rank != 0
        ):
            continue
        condition = None if chain.condition is None else next(conditions)
        images.append(LateImage(results.index(id(result)), condition, tuple(result.shape.as_list()), chain))
    return images


def _before(function: ElementFunction, images: list[LateImage]) -> ElementFunction:
    """The function that gives JPEGs in the place of images, and behind all else the conditions of flips."""
    graph = FuncGraph(function.name)
    graph.outer_graph = function.graph.outer_graph
    with context.building(graph), context.tapes_stopped():
        count = len(function.graph.inputs) - len(function.captures)
        elements = [
            graph.add_input(each.dtype, each.shape, "element") for each in function.graph.inputs[:count]
        ]
        wanted = list(function.graph.outputs)
        for image in images:
            wanted[image.component] = image.chain.operations[0].inputs[0]
            if image.condition is not None:
                wanted.append(image.chain.condition)
        results = inlined(function, elements, graph, wanted)
        set_outputs(graph, results)
    specs = tuple(TensorSpec(each.shape, each.dtype) for each in results)
    return ElementFunction.of_graph(function.name, graph, specs)
