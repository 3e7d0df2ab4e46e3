"""gpflow: a Gaussian process fits, by SciPy's L-BFGS, and a sparse variational one by Adam."""

import gpflow
import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
x = rng.uniform(0, 6, size=(40, 1))
y = np.sin(x) + 0.05 * rng.normal(size=x.shape)
model = gpflow.models.GPR((x, y), gpflow.kernels.SquaredExponential())
before = float(model.training_loss())
gpflow.optimizers.Scipy().minimize(model.training_loss, model.trainable_variables, options={"maxiter": 30})
assert float(model.training_loss()) < before
mean, variance = model.predict_f(np.array([[1.5]]))
assert abs(float(mean[0, 0]) - np.sin(1.5)) < 0.15 and float(variance[0, 0]) > 0

sparse = gpflow.models.SVGP(
    gpflow.kernels.Matern52(), gpflow.likelihoods.Gaussian(), x[:8].copy(), num_data=len(x)
)
loss = sparse.training_loss_closure((x, y))
before = float(loss())
for _ in range(20):
    with tf.GradientTape() as tape:
        value = loss()
    gradients = tape.gradient(value, sparse.trainable_variables)
    for variable, gradient in zip(sparse.trainable_variables, gradients):
        variable.assign_sub(1e-3 * gradient)
assert float(loss()) < before
