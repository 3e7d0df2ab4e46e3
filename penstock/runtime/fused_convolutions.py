"""Convolutions with bias, Relu and max pool, and their gradients, found among the operations of a compiled piece.

One kernel goes from the images to what the pool gives, and one from the gradient of that to those of filter, bias and
images. What is between is never in memory as a whole; of the maxima only their places are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.ops.nn import conv_ops, pool_ops

if TYPE_CHECKING:
    from penstock.runtime.fusion import Compute, Uses

RESHAPES = {"Reshape", "Squeeze", "ExpandDims"}
_SAME_WINDOWS = ("strides", "padding", "explicit_paddings", "data_format", "dilations")


def unshaped(tensor: Any) -> Any:
    """The tensor whose elements, in the same order, `tensor` has."""
    while tensor.op.type in RESHAPES:
        tensor = tensor.op.inputs[0]
    return tensor


def biased_convolution(operation: Any, uses: Uses, types: Any) -> Any | None:
    """The convolution in BiasAdd(Convolution), or as Keras writes it for other ranks, BiasAdd(Squeeze(Convolution))."""
    if operation.attrs.get("data_format", "NHWC") != "NHWC":
        return None
    biased = operation.inputs[0]
    reshaped = uses.sole_producer(biased, ("Squeeze",))
    convolution = uses.sole_producer(biased if reshaped is None else reshaped.inputs[0], types)
    if convolution is None or not convolution.attrs["data_format"].endswith("C"):
        return None
    return convolution if reshaped is None or _keeps_channels(reshaped) else None


def _keeps_channels(squeeze: Any) -> bool:
    """Whether the last dimension stays (without a list of dimensions, one channel would go too)."""
    rank = squeeze.inputs[0].shape.rank
    dims = squeeze.attrs.get("squeeze_dims")
    return rank is not None and bool(dims) and all(each % rank != rank - 1 for each in dims)


@dataclass(frozen=True, eq=False, slots=True)
class _Backward:
    """The operations that compute the gradients of one convolution, all from the same gradient of its result.

    Attributes:
      to_filter, to_images: Conv2DBackpropFilter; Conv2DBackpropInput or None. to_bias: each BiasAddGrad.
    """

    to_filter: Any
    to_images: Any | None
    to_bias: Sequence[Any]


def _backward_from(tensor: Any, uses: Uses) -> tuple[_Backward | None, int]:
    """The operations that use the gradient of a convolution's result, and how many others do."""
    users = uses.of_elements(tensor)
    if users is None:
        return None, 1
    by_type: dict[str, list[Any]] = {}
    for each in users:
        by_type.setdefault(each.type, []).append(each)
    filters, images = by_type.get("Conv2DBackpropFilter", []), by_type.get("Conv2DBackpropInput", [])
    sums = [each for each in by_type.get("BiasAddGrad", []) if each.attrs["data_format"] == "NHWC"]
    others = len(users) - len(sums)
    if len(filters) != 1 or not filters[0].outputs[0].shape.is_fully_defined():
        return None, others
    (to_filter,) = filters
    fits = len(images) == 1 and all(
        to_filter.attrs.get(name) == images[0].attrs.get(name) for name in _SAME_WINDOWS
    )
    if unshaped(to_filter.inputs[2]) is not tensor or (fits and unshaped(images[0].inputs[2]) is not tensor):
        return None, others
    return _Backward(to_filter, images[0] if fits else None, sums), others - 1 - fits


def _attributes(operation: Any) -> dict[str, Any]:
    return operation.definition.attrs_for_kernel(operation.attrs)


@dataclass(frozen=True, eq=False, slots=True)
class _Pooled:
    """The operations of MaxPool(Relu(BiasAdd(Conv2D))), or without Relu.

    Attributes:
      features: the tensor that the pool reduces, before any reshape.
    """

    pool: Any
    features: Any
    biased: Any
    convolution: Any

    @property
    def relu(self) -> bool:
        return self.features.op.type == "Relu"

    def arguments(self, values: dict[int, Any]) -> tuple[Any, Any, Any, bool, Any] | None:
        """Images, filter, bias, whether Relu follows, and the pool's windows; None where shapes are not as they seemed."""
        reduced = values[id(self.pool.inputs[0])]
        if reduced.shape != values[id(self.convolution.outputs[0])].shape:
            return None
        windows = pool_ops.pool_windows(reduced.ndim, _attributes(self.pool))
        x, w = (values[id(each)] for each in self.convolution.inputs)
        return x, w, values[id(self.biased.inputs[1])], self.relu, windows


def _pooled_convolution(pool: Any, uses: Uses) -> _Pooled | None:
    features = unshaped(pool.inputs[0])
    biased = (
        uses.sole_producer(features.op.inputs[0], ("BiasAdd",)) if features.op.type == "Relu" else features.op
    )
    if biased is None or biased.type != "BiasAdd":
        return None
    convolution = biased_convolution(biased, uses, ("Conv2D",))
    return None if convolution is None else _Pooled(pool, features, biased, convolution)


def pooled(pool: Any, uses: Uses) -> Compute | None:
    """MaxPool(Relu(BiasAdd(Conv2D))), or without Relu; its gradients are planned too.

    Where anything else uses what the pool reduces, it would be computed twice, so the pattern is not there.
    """
    found = _pooled_convolution(pool, uses)
    if found is None:
        return None
    features, convolution = found.features, found.convolution
    users = uses.of_elements(features)
    others = None if users is None else [each for each in users if each is not pool]
    if others is None or len(others) == len(users):
        return None
    backward = gradient = None
    if others:
        gradient = next((each for each in others if each.type == "MaxPoolGrad"), None)
        backward = _backward_through(gradient, features, pool, others, found.relu, uses)
        if backward is None or unshaped(backward.to_filter.inputs[0]) is not unshaped(convolution.inputs[0]):
            return None
    places = object()  # the kernel's second result, among the values

    def compute(values: dict[int, Any]) -> Sequence[Any] | None:
        arguments = found.arguments(values)
        if arguments is None:
            return None
        to_image = backward is not None and backward.to_images is not None
        attrs = _attributes(convolution)
        made = conv_ops.pooled_convolution_of(*arguments, to_image, **attrs)
        if made is None and backward is None:
            maxima = conv_ops.maxima_of_convolution_of(*arguments, **attrs)
            return None if maxima is None else [maxima]
        if made is None:
            return None
        result, values[id(places)] = made
        return [result]

    if backward is not None:
        _plan(backward, uses, convolution.inputs[1], unshaped(gradient.inputs[2]), places, gradient)
    return compute


def layer_behind(product: Any, biased: Any, uses: Uses, relu: bool) -> Compute | None:
    """BiasAdd(MatMul(flattened MaxPool(...), matrix), bias), or Relu of it, where nothing else uses what the pool gives.

    The kernel is for one image.
    """
    pool = unshaped(product.inputs[0]).op
    if pool.type != "MaxPool" or product.attrs["transpose_b"]:
        return None
    found = _pooled_convolution(pool, uses)
    if (
        found is None
        or uses.of_elements(found.features) != [pool]
        or uses.of_elements(pool.outputs[0]) != [product]
    ):
        return None

    def compute(values: dict[int, Any]) -> Sequence[Any] | None:
        arguments = found.arguments(values)
        matrix, bias = values[id(product.inputs[1])], values[id(biased.inputs[1])]
        flat = values[id(product.inputs[0])].shape
        if (
            arguments is None
            or flat[0] != 1
            or flat[1:] != matrix.shape[:1]
            or bias.shape != matrix.shape[1:]
        ):
            return None
        made = conv_ops.layer_of_convolution_of(
            *arguments, (matrix, bias, relu), **_attributes(found.convolution)
        )
        return None if made is None else [made.reshape(1, -1)]

    return compute


def _backward_through(
    gradient: Any, features: Any, pool: Any, others: Sequence[Any], relu: bool, uses: Uses
) -> _Backward | None:
    """What uses the gradient of a pool, and of Relu before it, where that is all that uses the pool's input besides."""
    if gradient is None or unshaped(gradient.inputs[0]) is not features:
        return None
    if unshaped(gradient.inputs[1]) is not unshaped(pool.outputs[0]) or len(others) != 1 + relu:
        return None
    sent = gradient.outputs[0]
    if relu:
        after = next((each for each in others if each.type == "ReluGrad"), None)
        if after is None or unshaped(after.inputs[0]) is not sent or uses.of_elements(sent) != [after]:
            return None
        sent = after.outputs[0]
    backward, left = _backward_from(sent, uses)
    return None if left else backward


def gradients(operation: Any, uses: Uses) -> Compute | None:
    """Conv2DBackpropFilter, with what else the same gradient of a result makes."""
    dy = unshaped(operation.inputs[2])
    backward, _ = _backward_from(dy, uses)
    if backward is None or (backward.to_images is None and not backward.to_bias):
        return None  # one gradient alone is not found sooner
    w = None if backward.to_images is None else backward.to_images.inputs[1]
    _plan(backward, uses, w, dy)
    return uses.planned.pop(id(operation))


def _plan(
    backward: _Backward, uses: Uses, w: Any, dy: Any, places: Any = None, pool_gradient: Any = None
) -> None:
    """Lets each operation have its result from one call of the kernel."""
    to_filter, to_images = backward.to_filter, backward.to_images
    relu = None if to_images is None else _relu_after(to_images, to_filter.inputs[0], uses)
    key = object()  # of the gradients, among the values

    needed = [to_filter.inputs[0], dy] + ([] if to_images is None else [w])

    def computed(values: dict[int, Any]) -> Sequence[Any] | None:
        if id(key) not in values and all(id(each) in values for each in needed):
            values[id(key)] = compute_all(*(values[id(each)] for each in needed), values=values)
        return values.get(id(key))

    def compute_all(x: Any, dy: Any, w: Any = None, *, values: dict[int, Any]) -> Sequence[Any] | None:
        sizes, attrs = to_filter.outputs[0].shape.as_list(), _attributes(to_filter)
        pool, found = None, None
        if pool_gradient is not None and id(places) in values:
            reduced = values[id(pool_gradient.inputs[0])]
            pool = pool_ops.pool_windows(reduced.ndim, _attributes(pool_gradient)), values[id(places)]
        if pool_gradient is None or pool is not None:
            found = conv_ops.all_gradients_of(x, sizes, dy, w, relu is not None, pool, **attrs)
        sent = values.get(id(to_filter.inputs[2]))
        if found is None and backward.to_bias and sent is not None:
            found = conv_ops.filter_and_bias_gradients_of(x, sizes, sent, **attrs)
        return found

    def result(index: int) -> Compute:
        def compute(values: dict[int, Any]) -> Sequence[Any] | None:
            found = computed(values)
            return None if found is None or index >= len(found) else [found[index]]

        return compute

    def before_relu(values: dict[int, Any]) -> Sequence[Any] | None:
        found = result(2)(values)
        if found is None:
            return relu_and_input_gradient(relu, to_images, values)
        return [found[0].reshape(values[id(relu.inputs[0])].shape)]

    uses.planned[id(to_filter)] = result(0)
    for each in backward.to_bias:
        uses.planned[id(each)] = result(1)
    if relu is not None:
        uses.planned[id(relu)] = before_relu
        uses.computed_in[id(to_images.outputs[0])] = relu.outputs[0]
    elif to_images is not None:
        uses.planned[id(to_images)] = result(2)


def relu_and_input_gradient(relu: Any, convolution: Any, values: dict[int, Any]) -> Sequence[Any] | None:
    """ReluGrad(Conv2DBackpropInput, features) by the kernel of that convolution; None where there is none."""
    sizes, w, dy = (values[id(each)] for each in convolution.inputs)
    gradient, features = (values[id(each)] for each in relu.inputs)
    found = conv_ops.relu_and_input_gradient_of(sizes, w, dy, features, **_attributes(convolution))
    return None if found is None else [found.reshape(gradient.shape)]


def _relu_after(to_images: Any, x: Any, uses: Uses) -> Any | None:
    """The ReluGrad that is all that becomes of a gradient with respect to what Relu gave."""
    users = uses.of_elements(to_images.outputs[0])
    if users is None or len(users) != 1 or users[0].type != "ReluGrad":
        return None
    (relu,) = users
    gradient, features = relu.inputs
    is_its = unshaped(gradient) is to_images.outputs[0] and unshaped(features) is unshaped(x)
    return relu if is_its else None
