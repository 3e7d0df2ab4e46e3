"""Any program of branches and bounded loops computes under `tf.function` what it computes in Python."""

import linecache
import textwrap

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import penstock as tf

VARIABLES = ("x", "y", "z")

expressions = st.one_of(
    st.sampled_from(VARIABLES),
    st.integers(-3, 3).map(str),
    st.tuples(st.sampled_from(VARIABLES), st.sampled_from("+-*"), st.integers(-3, 3)).map(
        lambda parts: f"{parts[0]} {parts[1]} ({parts[2]})"
    ),
    st.tuples(st.sampled_from(VARIABLES), st.sampled_from(VARIABLES)).map(
        lambda pair: f"{pair[0]} - {pair[1]}"
    ),
)
comparisons = st.tuples(
    st.sampled_from(VARIABLES), st.sampled_from(("<", ">", "<=", ">=", "==", "!=")), st.integers(-4, 4)
).map(lambda parts: f"{parts[0]} {parts[1]} {parts[2]}")
conditions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        inner.map(lambda a: f"not ({a})"),
        st.tuples(inner, st.sampled_from(("and", "or")), inner).map(lambda p: f"({p[0]}) {p[1]} ({p[2]})"),
    ),
    max_leaves=3,
)
assignments = st.tuples(st.sampled_from(VARIABLES), expressions).map(lambda p: f"{p[0]} = {p[1]}")
conditional_assignments = st.tuples(st.sampled_from(VARIABLES), expressions, conditions, expressions).map(
    lambda p: f"{p[0]} = {p[1]} if {p[2]} else {p[3]}"
)


def indented(block):
    return textwrap.indent("\n".join(block), "    ")


@st.composite
def statements(draw, depth, in_loop, counters):
    kinds = ["assign", "assign", "choose", "return"]
    if in_loop:
        kinds += ["break", "continue"]
    if depth:
        kinds += ["if", "if", "for", "for", "while"]
    kind = draw(st.sampled_from(kinds))
    if kind == "assign":
        return draw(assignments)
    if kind == "choose":
        return draw(conditional_assignments)
    if kind in ("break", "continue", "return"):
        what = f"return {draw(expressions)}" if kind == "return" else kind
        return f"if {draw(conditions)}:\n    {what}"
    if kind == "if":
        text = f"if {draw(conditions)}:\n{indented(draw(blocks(depth - 1, in_loop, counters)))}"
        if draw(st.booleans()):
            text += f"\nelse:\n{indented(draw(blocks(depth - 1, in_loop, counters)))}"
        return text
    body = indented(draw(blocks(depth - 1, True, counters)))
    orelse = f"\nelse:\n{indented(draw(blocks(0, in_loop, counters)))}" if draw(st.booleans()) else ""
    counters.append(None)
    counter = f"n{len(counters)}"
    if kind == "for":
        source = draw(
            st.sampled_from(("tf.range(4)", "range(3)", "tf.range(abs(x) % 4)", "tf.stack([x, y, z])"))
        )
        return f"for {counter} in {source}:\n    y = y + {counter}\n{body}{orelse}"
    return (
        f"{counter} = {draw(st.sampled_from(('0', 'x - x')))}\n"
        f"while {counter} < 4 and ({draw(conditions)}):\n    {counter} += 1\n{body}{orelse}"
    )


def blocks(depth, in_loop, counters):
    return st.lists(statements(depth, in_loop, counters), min_size=1, max_size=3)


@st.composite
def programs(draw):
    body = draw(blocks(3, False, []))
    return "def program(x, y, z):\n" + indented([*body, "return x * 10000 + y * 100 + z"]) + "\n"


def defined(source):
    """The function that `source` defines, with its text where AutoGraph looks for it."""
    name = f"<random program {abs(hash(source))}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    scope = {"tf": tf}
    exec(compile(source, name, "exec"), scope)
    return scope["program"]


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(programs(), st.tuples(*[st.integers(-3, 3)] * 3))
def test_random_program(source, values):
    program = defined(source)
    arguments = [tf.constant(each) for each in values]
    assert int(tf.function(program)(*arguments)) == int(program(*arguments))
