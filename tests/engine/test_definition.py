import pytest

import penstock as tf
from penstock.engine.definition import REGISTRY, REQUIRED, OpDef, Signature


def test_signature_parts():
    signature = Signature(
        "Example(a: T, rest: N*T, any: *Ts; must, flag=True, text='a,b', kind=int32) -> (y: T, n: int32)"
    )
    assert signature.type == "Example"
    assert [argument.kind for argument in signature.inputs] == ["single", "repeat", "list"]
    assert signature.attrs == {"must": REQUIRED, "flag": True, "text": "a,b", "kind": tf.int32}
    assert [argument.name for argument in signature.outputs] == ["y", "n"]
    assert not signature.single_output


def test_signature_without_outputs():
    assert Signature("Nothing() -> ()").outputs == []


def test_bad_signature():
    with pytest.raises(ValueError, match="not an op signature"):
        Signature("Example")


def test_output_dtypes_follow_from_the_signature():
    one, two = tf.constant(1.0), tf.constant([2])
    assert REGISTRY["AddV2"].output_dtypes([one, one], {}) == [tf.float32]
    assert REGISTRY["Cast"].output_dtypes([one], {"DstT": tf.int8}) == [tf.int8]
    assert REGISTRY["IdentityN"].output_dtypes([one, two], {"T": [tf.float32, tf.int32]}) == [
        tf.float32,
        tf.int32,
    ]


def test_lists_are_flattened_and_grouped_again():
    definition = OpDef("Example(values: N*T, axis: int32) -> y: T")
    flat, attrs = definition.flatten([["a", "b", "c"], "axis"], {})
    assert flat == ["a", "b", "c", "axis"]
    assert attrs == {"N": 3}
    assert definition.group(flat, attrs) == [["a", "b", "c"], "axis"]


@pytest.mark.parametrize("definition", REGISTRY.values(), ids=lambda each: each.type)
def test_every_op_can_run(definition):
    is_fed = definition.type == "Placeholder"
    assert is_fed or definition.numpy_body or definition.xla_body or definition.lowering or definition.nested


def test_an_op_is_defined_once():
    from penstock.engine.definition import op

    with pytest.raises(ValueError, match="defined twice"):
        op("AddV2(x: T, y: T) -> z: T")
