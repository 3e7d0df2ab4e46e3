"""v1's variable_scope and get_variable: names, reuse, defaults, getters, partitions, templates."""

import pytest

import penstock as tf

v1 = tf.compat.v1


def ones(shape, dtype=None, partition_info=None):
    return tf.ones(shape, dtype)


def get(name, shape=(2,), **options):
    return v1.get_variable(name, list(shape), **{"initializer": ones, **options})


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as built:
        yield built


def test_scopes_prefix_names_of_variables_and_ops():
    with v1.variable_scope("outer") as outer:
        with v1.variable_scope("inner"):
            assert get("v").name == "outer/inner/v:0"
            assert tf.constant(1.0, name="c").name == "outer/inner/c:0"
    assert outer.original_name_scope == "outer/"


def test_a_scope_entered_again_has_the_variable_names_and_new_op_names():
    with v1.variable_scope("s") as scope:
        get("a")
    with v1.variable_scope(scope):
        assert get("b").name == "s/b:0"
        assert tf.constant(1.0, name="c").name == "s_1/c:0"


def test_reuse_finds_variables():
    with v1.variable_scope("s"):
        made = get("v")
        with pytest.raises(ValueError, match="already exists"):
            get("v")
    with v1.variable_scope("s", reuse=True):
        assert get("v") is made
        with pytest.raises(ValueError, match="does not exist"):
            get("w")
        with pytest.raises(ValueError, match="shape"):
            get("v", (3,))
        with pytest.raises(ValueError, match="dtype"):
            get("v", dtype=tf.int32)
        with v1.variable_scope("inner", reuse=False):
            assert v1.get_variable_scope().reuse is True
    with v1.variable_scope("auto", reuse=v1.AUTO_REUSE):
        assert get("v") is get("v")


def test_default_names_are_unique():
    names = []
    for _ in range(2):
        with v1.variable_scope(None, "layer"):
            names.append(get("v").name)
    assert names == ["layer/v:0", "layer_1/v:0"]


def test_default_names_repeat_where_the_outer_scope_is_entered_again():
    names = []
    for reuse in (None, True):
        with v1.variable_scope("outer", reuse=reuse):
            for _ in range(2):
                with v1.variable_scope(None, "layer"):
                    names.append(get("v").name)
    assert names == ["outer/layer/v:0", "outer/layer_1/v:0"] * 2


def test_scopes_give_defaults():
    def penalty(variable):
        return tf.reduce_sum(variable) * 0.1

    with v1.variable_scope("s", initializer=ones, dtype=tf.float64, regularizer=penalty):
        variable = v1.get_variable("v", [3])
    assert variable.dtype == tf.float64
    losses = v1.get_collection(v1.GraphKeys.REGULARIZATION_LOSSES)
    assert [each.op.name for each in losses] == ["s/v/Regularizer/mul"]


def test_name_scopes_do_not_touch_names_of_get_variable():
    with tf.name_scope("n"):
        assert get("v").name == "v:0"
        assert v1.Variable(1.0, name="w").name == "n/w:0"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((None,), TypeError),
        ((3,), TypeError),
    ],
)
def test_bad_scopes_are_refused(arguments, error):
    with pytest.raises(error):
        v1.variable_scope(*arguments)


def test_reuse_needs_a_name():
    with pytest.raises(ValueError, match="name_or_scope"), v1.variable_scope(None, "x", reuse=True):
        pass


def test_custom_getters_are_chained():
    seen = []

    def outer(getter, name, *args, **kwargs):
        seen.append(("outer", name))
        return getter(name, *args, **kwargs)

    def inner(getter, name, *args, **kwargs):
        seen.append(("inner", name))
        return getter(name + "_renamed", *args, **kwargs)

    with v1.variable_scope("a", custom_getter=outer), v1.variable_scope("b", custom_getter=inner):
        assert get("v").name == "a/b/v_renamed:0"
    assert seen == [("inner", "a/b/v"), ("outer", "a/b/v_renamed")]


def test_constant_initializers_give_the_shape():
    assert v1.get_variable("v", initializer=[1.0, 2.0]).shape == [2]
    with pytest.raises(ValueError, match="do not specify shape"):
        v1.get_variable("w", [2], initializer=[1.0, 2.0])
    with pytest.raises(ValueError, match="don't match"):
        v1.get_variable("x", dtype=tf.int32, initializer=[1.0])


def test_default_initializers_follow_the_dtype():
    weights, counts = v1.get_variable("w", [100, 100]), v1.get_variable("n", [2], dtype=tf.int32)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        assert session.run(counts).tolist() == [0, 0]
        values = session.run(weights)
    limit = (6 / 200) ** 0.5
    assert abs(values).max() <= limit
    assert values.std() == pytest.approx(limit / 3**0.5, rel=0.05)


def test_local_variables_are_not_trainable():
    local = v1.get_local_variable("v", [2], initializer=ones)
    assert v1.local_variables() == [local]
    assert v1.trainable_variables() == []


def test_partitioners_cut_a_variable():
    with v1.variable_scope("p", partitioner=v1.fixed_size_partitioner(2)):
        whole = get("v", (5, 2))
    assert [part.name for part in whole] == ["p/v/part_0:0", "p/v/part_1:0"]
    assert [part.shape.as_list() for part in whole] == [[3, 2], [2, 2]]
    assert tf.convert_to_tensor(whole).shape == [5, 2]
    assert (whole + 1.0).shape == [5, 2]


@pytest.mark.parametrize(
    ("partitioner", "expected"),
    [
        (v1.fixed_size_partitioner(4), [4, 1]),
        (v1.variable_axis_size_partitioner(16), [5, 1]),
        (v1.min_max_variable_partitioner(3, 0, 16), [3, 1]),
    ],
    ids=["fixed", "axis_size", "min_max"],
)
def test_partitioners_answer_parts_for_each_axis(partitioner, expected):
    assert partitioner(shape=tf.TensorShape([10, 2]), dtype=tf.float32) == expected


def test_templates_share_their_variables():
    def scale(x):
        return x * v1.get_variable("s", [], initializer=ones)

    template = v1.make_template("scale", scale)
    template(1.0), template(2.0)
    assert [variable.name for variable in template.variables] == ["scale/s:0"]
    second = v1.make_template("scale", scale)
    second(1.0)
    assert [variable.name for variable in second.variables] == ["scale_1/s:0"]


def test_eager_get_variable_makes_a_new_one_and_templates_keep_theirs():
    def scale(x):
        return x * v1.get_variable("s", [], initializer=ones)

    from penstock.engine import context

    with context.building(None):
        assert v1.get_variable("e", [2]) is not v1.get_variable("e", [2])
        template = v1.make_template("scale", scale)
        template(1.0), template(2.0)
        assert len(template.variables) == 1
