"""Programs that branch and loop on a number, written as plain Python; `test_autograph.py` runs each both ways."""

import functools

import penstock as tf

VARIABLE = tf.Variable([1, 2, 3])


def if_elif_else(x):
    if x > 5:
        y = x * 2
    elif x < -5:
        y = x - 1
    else:
        y = -x
    return y


def return_in_each_branch(x):
    if x > 0:
        if x > 5:
            return x * 100
        return x * 10
    return x


def return_in_a_branch_of_a_branch(x):
    if x > 0:
        x = x + 1
    else:
        if x < -5:
            return -x
        y = x
        if y == 0:
            return 100
    return x * 2


def variable_assigned_only_where_nothing_is_returned(x):
    if x > 0:
        if x > 5:
            return x
        y = x + 3
    else:
        y = 4
    return y


def if_without_else(x):
    y = 1
    if x > 0:
        y = x
    return y


def conditional_expression(x):
    return (x if x > 0 else -x) + (1 if x == 3 else 2)


def short_circuit(x):
    return x > 0 and x < 5, x > 3 or x < -3, not x > 2, 0 < x < 5


def short_circuit_keeps_python_values(x):
    name = None
    return (name or "none") == "none", x if name is None and x > 0 else -x


def while_on_tensor(x):
    steps = 0
    while x > 1:
        x = x // 2
        steps += 1
    return x, steps


def while_with_break_and_continue(x):
    total = 0
    i = 0
    while i < 20:
        i += 1
        if i == 4:
            continue
        if total > x:
            break
        total += i
    return total, i


def while_true(x):
    n = 0
    while True:
        n += 1
        if n * n > x:
            break
    return n


def while_becomes_tensor(x):
    y = 0
    while y < 4:
        y = y + x * x
    return y


def return_in_while_true(x):
    i = 0
    while True:
        i += 1
        if i > x:
            return i * 7


def for_over_range(x):
    total = 0
    for i in tf.range(10):
        total += i * x
    return total


def for_over_range_with_bounds(x):
    total = 0
    for i in tf.range(x, x + 7, 2):
        total += i
    for i in tf.range(20, x, -3):
        total = total * 2 + i
    return total


def for_over_python_range_of_tensor(x):
    total = 0
    for i in range(x):
        total += i
    return total


def for_over_tensor(x):
    total = 0
    for row in tf.stack([[x, 1], [2, x]]):
        for value in row:
            total = total * 10 + value
    return total


def for_over_strings(x):
    count = 0
    for name in tf.constant(["a", "b", "a"]):
        if name == "a":
            count += x
    return count


def for_over_variable(x):
    total = 0
    for value in VARIABLE:
        total += value * x
    return total


def unpacked_rows(x):
    total = 0
    for row in tf.stack([[x, 1], [2, x]]):
        a, b = tf.unstack(row)
        total += a * b
    return total


def nested_loops_with_break_and_continue(x):
    total = 0
    for i in tf.range(6):
        for j in tf.range(i):
            if j > 3:
                break
            if i == x:
                continue
            total += i * j
        if total > 40:
            break
    return total


def return_in_range_loop(x):
    for i in tf.range(10):
        if i * i > x:
            return i
    return -1


def return_in_nested_loops(x):
    for i in tf.range(10):
        for j in tf.range(10):
            if i * j > x:
                return i * 100 + j
    return -1


def break_in_python_loop(x):
    seen = 0
    for i in [3, 1, 4, 1, 5]:
        if i == x:
            break
        seen += 1
    return seen


def return_in_python_loop(x):
    for i in range(5):
        if i == x:
            return i * 100
        x = x - 0
    return x


def loop_else(x):
    result = 0
    for i in tf.range(5):
        if i == x:
            break
    else:
        result = 100
    while x > 0:
        x -= 2
        if x == 1:
            break
    else:
        result += 1000
    return result


def variable_first_assigned_in_loop(x):
    for i in tf.range(4):
        last = i * x
    return last


def loop_target_after_loop(x):
    for i in tf.range(4):
        x += i
    return i + x


def swap_in_loop(x):
    a, b = 0, 1
    for _ in tf.range(7):
        a, b = b, a + b
    return a + x


def structures_as_state(x):
    pair, named = (x, 1), {"count": 0}
    while named["count"] < 3:
        pair = (pair[0] * 2, pair[1] + x)
        named = {"count": named["count"] + 1}
    return pair, named


def item_of_dict_as_state(x):
    d = {"a": x, "n": 0}
    while d["a"] < 10:
        d["a"] += 3
        d["n"] += 1
    return d


class Counter:
    """A class whose methods and attributes take part in control flow."""

    def __init__(self):
        self.total = tf.constant(0)
        self.__secret = 2

    def add_up(self, x):
        for i in tf.range(3):
            self.total = self.total + self.__one(x, i)
        return self.total

    def __one(self, x, i):
        return x if i > 0 else x * 10 * self.__secret

    def __call__(self, x):
        if x is None:
            return self.total
        return self.add_up(x)

    @classmethod
    def made(cls, x):
        return cls() if x is not None else None

    @staticmethod
    def halved(x):
        return x // 2 if x > 2 else x


class LoudCounter(Counter):
    def add_up(self, x):
        if x > 5:
            x = x + 1
        return super().add_up(x) * 2


def methods_and_attributes(x):
    counter = Counter.made(x)
    return counter(x), counter.total, Counter.halved(x)


def super_call(x):
    return LoudCounter()(x)


def closure(x):
    bound = 3

    def clipped(value):
        return bound if value > bound else value

    return clipped(x) + clipped(x + 1)


def doubled_where_positive(value):
    if value > 0:
        return value * 2
    return value


def recursive_conversion(x):
    return doubled_where_positive(doubled_where_positive(x) - 1)


def recursive_function(n, depth):
    if depth == 0:
        return n
    return recursive_function(n * 2 if n > 0 else n - 1, depth - 1)


def recursion(x):
    return recursive_function(x, 4)


def lambdas(x):
    table = (lambda v: v if v > 0 else -v, lambda v: v + 1 if v > 0 else v - 1)
    return table[0](x), table[1](x), (lambda v: (lambda v: v if v > 2 else 2)(v))(x)


def partials(x):
    def scaled(factor, value, *, offset):
        return factor * value + offset if value > 0 else offset

    return functools.partial(functools.partial(scaled, 3), offset=1)(x)


def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@logged
def decorated_helper(value):
    return value if value > 0 else -value


def decorated(x):
    return decorated_helper(x)


def evens(limit):
    for i in range(limit):
        if i % 2 == 0:
            yield i


def generator_left_alone(x):
    total = 0
    for i in evens(6):
        total += i * x if x > 0 else i
    return total


def list_append_and_stack(x):
    values = []
    for i in range(4):
        values.append(x * i if x > 0 else x)
    return tf.stack(values)


def tensor_array_in_loop(x):
    values = tf.TensorArray(tf.int32, size=0, dynamic_size=True)
    for i in tf.range(5):
        if i == 2:
            continue
        values = values.write(values.size(), i * x)
    return values.stack()


def builtins_on_tensors(x):
    v = tf.stack([x, 3, -x])
    return (
        len(v),
        abs(x),
        int(tf.cast(x, tf.float32)),
        float(x),
        max(x, 2),
        min(x, 2),
        max(v),
        tf.convert_to_tensor(sorted(v)),
    )


def builtins_on_python_values(x):
    pairs = list(zip([1, 2], enumerate("ab")))
    return len(pairs), sum(map(int, ["1", "2"])), any([False, True]), all([]), sorted([3, 1], reverse=True), x


def assignment_expressions(x):
    total = 0
    while (n := total * 2) < 30:
        if (step := n + x * x + 1) > 20:
            break
        total += step
    return total, n


def context_managers(x):
    with tf.name_scope("outer"):
        if x > 0:
            y = x + 1
        else:
            y = x - 1
    return y


def try_finally(x):
    log = []
    try:
        y = x if x > 0 else -x
    finally:
        log.append("done")
    return y, len(log)


def comprehensions(x):
    return [x + i if x > 0 else i for i in range(3) if i != 1], dict.fromkeys("ab", x)


def deletes_and_augments(x):
    y = [x, x]
    y[0] += 5
    z = y[0]
    del y
    z -= 1
    if z > 3:
        z *= 2
    return z


def eval_and_locals(x):
    y = 4
    return eval("x + y"), "y" in locals(), "eval_and_locals" in globals()


PROGRAMS = [
    each
    for name, each in list(globals().items())
    if callable(each)
    and getattr(each, "__module__", None) == __name__
    and not isinstance(each, type)
    and name not in {"doubled_where_positive", "recursive_function", "decorated_helper", "logged", "evens"}
]
