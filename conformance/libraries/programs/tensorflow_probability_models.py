"""tensorflow_probability: distributions, bijectors, joint distributions, NUTS, variational layers."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd, tfb = tfp.distributions, tfp.bijectors

normal = tfd.Normal(1.0, 2.0)
assert abs(float(normal.log_prob(0.0)) + 1.7370857) < 1e-5
mixture = tfd.MixtureSameFamily(tfd.Categorical(probs=[0.3, 0.7]), tfd.Normal([-1.0, 1.0], [0.1, 0.5]))
assert mixture.sample(1000, seed=1).shape == (1000,)
flow = tfd.TransformedDistribution(
    tfd.MultivariateNormalDiag(tf.zeros(2)), tfb.Chain([tfb.Shift(1.0), tfb.Exp()])
)
sample = flow.sample(5, seed=2)
np.testing.assert_allclose(flow.bijector.forward(flow.bijector.inverse(sample)), sample, rtol=1e-5)
assert tfd.kl_divergence(tfd.Normal(0.0, 1.0), tfd.Normal(1.0, 1.0)).numpy() == 0.5

joint = tfd.JointDistributionSequential(
    [tfd.Gamma(2.0, 2.0), lambda rate: tfd.Sample(tfd.Exponential(rate), sample_shape=3)]
)
values = joint.sample(seed=3)
assert joint.log_prob(values).shape == ()


@tf.function
def chain():
    kernel = tfp.mcmc.HamiltonianMonteCarlo(normal.log_prob, step_size=0.7, num_leapfrog_steps=4)
    return tfp.mcmc.sample_chain(500, 0.0, kernel=kernel, num_burnin_steps=100, trace_fn=None, seed=(4, 5))


states = chain().numpy()
assert abs(states.mean() - 1.0) < 0.6 and 1.3 < states.std() < 2.7, (states.mean(), states.std())

nuts = tfp.mcmc.NoUTurnSampler(normal.log_prob, step_size=0.8)
states = tf.function(
    lambda: tfp.mcmc.sample_chain(100, 0.0, kernel=nuts, num_burnin_steps=50, trace_fn=None, seed=(6, 7))
)()
assert states.shape == (100,)

x = np.random.default_rng(0).normal(size=(128, 3)).astype("float32")
y = x @ np.array([[1.0], [2.0], [-1.0]], "float32")
import tf_keras

model = tf_keras.Sequential(
    [
        tfp.layers.DenseFlipout(8, activation="relu"),
        tf_keras.layers.Dense(2),
        tfp.layers.DistributionLambda(lambda t: tfd.Normal(t[..., :1], 1e-3 + tf.nn.softplus(t[..., 1:]))),
    ]
)
model.compile(tf_keras.optimizers.Adam(0.02), loss=lambda truth, found: -found.log_prob(truth))
losses = model.fit(x, y, epochs=10, verbose=0).history["loss"]
assert losses[-1] < losses[0], losses

result = tfp.optimizer.lbfgs_minimize(
    lambda p: tfp.math.value_and_gradient(lambda q: tf.reduce_sum((q - 3.0) ** 2), p),
    initial_position=tf.zeros(2),
)
np.testing.assert_allclose(result.position, [3.0, 3.0], atol=1e-3)
