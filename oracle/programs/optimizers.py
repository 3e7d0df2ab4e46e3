"""One step, or a few, of every op that updates variables."""

import numpy as np

_X = np.float32([[1.0, -2.0], [3.0, 0.5], [-1.0, 4.0]])
_G = np.float32([[0.1, -0.2], [0.3, 0.4], [-0.5, 0.6]])

# op -> the names of its variables after `var`, its scalars, in the order of the arguments.
_DENSE = {
    "ResourceApplyGradientDescent": ((), {"alpha": 0.1}, "delta"),
    "ResourceApplyProximalGradientDescent": ((), {"alpha": 0.1, "l1": 0.01, "l2": 0.02}, "delta"),
    "ResourceApplyMomentum": (("accum",), {"lr": 0.1, "momentum": 0.9}, "grad"),
    "ResourceApplyKerasMomentum": (("accum",), {"lr": 0.1, "momentum": 0.9}, "grad"),
    "ResourceApplyAdagrad": (("accum",), {"lr": 0.1}, "grad"),
    "ResourceApplyAdagradV2": (("accum",), {"lr": 0.1, "epsilon": 1e-6}, "grad"),
    "ResourceApplyProximalAdagrad": (("accum",), {"lr": 0.1, "l1": 0.01, "l2": 0.02}, "grad"),
    "ResourceApplyAdadelta": (("accum", "accum_update"), {"lr": 0.1, "rho": 0.9, "epsilon": 1e-6}, "grad"),
    "ResourceApplyRMSProp": (
        ("ms", "mom"),
        {"lr": 0.1, "rho": 0.9, "momentum": 0.5, "epsilon": 1e-6},
        "grad",
    ),
    "ResourceApplyCenteredRMSProp": (
        ("mg", "ms", "mom"),
        {"lr": 0.1, "rho": 0.9, "momentum": 0.5, "epsilon": 1e-6},
        "grad",
    ),
    "ResourceApplyAdam": (
        ("m", "v"),
        {"beta1_power": 0.9, "beta2_power": 0.99, "lr": 0.1, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-6},
        "grad",
    ),
    "ResourceApplyAdamWithAmsgrad": (
        ("m", "v", "vhat"),
        {"beta1_power": 0.9, "beta2_power": 0.99, "lr": 0.1, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-6},
        "grad",
    ),
    "ResourceApplyAdaMax": (
        ("m", "v"),
        {"beta1_power": 0.9, "lr": 0.1, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-6},
        "grad",
    ),
    "ResourceApplyAddSign": (("m",), {"lr": 0.1, "alpha": 1.0, "sign_decay": 0.9, "beta": 0.9}, "grad"),
    "ResourceApplyPowerSign": (("m",), {"lr": 0.1, "logbase": 1.0, "sign_decay": 0.9, "beta": 0.9}, "grad"),
    "ResourceApplyFtrl": (
        ("accum", "linear"),
        {"lr": 0.1, "l1": 0.01, "l2": 0.02, "lr_power": -0.5},
        "grad",
    ),
    "ResourceApplyFtrlV2": (
        ("accum", "linear"),
        {"lr": 0.1, "l1": 0.01, "l2": 0.02, "l2_shrinkage": 0.03, "lr_power": -0.5},
        "grad",
    ),
    "ResourceApplyAdagradDA": (
        ("gradient_accumulator", "gradient_squared_accumulator"),
        {"lr": 0.1, "l1": 0.01, "l2": 0.02, "global_step": 3},
        "grad",
    ),
}
_SPARSE = (
    "Adadelta Adagrad AdagradDA AdagradV2 CenteredRMSProp Ftrl FtrlV2 KerasMomentum Momentum ProximalAdagrad "
    "ProximalGradientDescent RMSProp"
).split()


def _step(tf, op, indices=None, **options):
    variables, scalars, gradient = _DENSE[op.replace("Sparse", "")]
    var = tf.Variable(_X)
    slots = [tf.Variable(np.full_like(_X, 0.2 + 0.1 * index)) for index, _ in enumerate(variables)]
    inputs = {"var": var.handle, **{name: slot.handle for name, slot in zip(variables, slots)}}
    for name, value in scalars.items():
        inputs[name] = tf.constant(value, tf.int64 if name == "global_step" else tf.float32)
    rows = _G if indices is None else _G[: len(indices)]
    key = "grad" if indices is not None else gradient
    inputs[key] = tf.constant(rows)
    if "AdagradDA" in op:
        inputs["grad"] = inputs.pop(key)
    if indices is not None:
        inputs["indices"] = tf.constant(indices)
    getattr(tf.raw_ops, op)(**inputs, **options)
    getattr(tf.raw_ops, op)(**inputs, **options)
    return [var, *slots]


def dense_updates(tf):
    return {op: _step(tf, op) for op in sorted(_DENSE)}


def dense_updates_with_nesterov(tf):
    names = ("ResourceApplyMomentum", "ResourceApplyKerasMomentum", "ResourceApplyAdam")
    return [_step(tf, op, use_nesterov=True) for op in names]


def adagrad_without_slots_update(tf):
    return _step(tf, "ResourceApplyAdagrad", update_slots=False)


def ftrl_with_linear_scaled(tf):
    return _step(tf, "ResourceApplyFtrl", multiply_linear_by_lr=True)


def sparse_updates(tf):
    return {name: _step(tf, f"ResourceSparseApply{name}", [2, 0]) for name in _SPARSE}


def optimizers_of_the_first_era(tf):
    v1 = tf.compat.v1
    made = {
        "sgd": v1.train.GradientDescentOptimizer(0.1),
        "momentum": v1.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
        "adam": v1.train.AdamOptimizer(0.1),
        "rmsprop": v1.train.RMSPropOptimizer(0.1, momentum=0.3, centered=True),
        "ftrl": v1.train.FtrlOptimizer(0.1, l1_regularization_strength=0.01),
        "adadelta": v1.train.AdadeltaOptimizer(0.1),
        "adagrad": v1.train.AdagradOptimizer(0.1),
        "proximal": v1.train.ProximalAdagradOptimizer(0.1),
    }
    found = {}
    for name, optimizer in made.items():
        with tf.Graph().as_default(), v1.Session() as session:
            weights = v1.get_variable("w", initializer=_X)
            loss = tf.reduce_sum(tf.square(weights)) + tf.reduce_sum(tf.gather(weights, [0, 2]))
            step = optimizer.minimize(loss)
            session.run(v1.global_variables_initializer())
            for _ in range(3):
                session.run(step)
            found[name] = [
                session.run(weights),
                *session.run([optimizer.get_slot(weights, each) for each in optimizer.get_slot_names()]),
            ]
    return found


def counting_and_moving_averages(tf):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        counter = v1.get_variable("counter", initializer=0)
        up = counter.count_up_to(2)
        value = v1.get_variable("value", initializer=1.0)
        average = v1.train.ExponentialMovingAverage(0.5)
        apply = average.apply([value])
        session.run(v1.global_variables_initializer())
        ups = [session.run(up), session.run(up)]
        session.run(value.assign(3.0))
        session.run(apply)
        try:
            session.run(up)
        except Exception as error:
            ups.append(type(error).__name__)
        return ups, session.run(average.average(value))
