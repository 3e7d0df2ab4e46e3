"""tf-agents: a DQN agent collects steps in an environment, and learns from a replay buffer."""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"
import numpy as np
import tf_keras
from tf_agents.agents.dqn import dqn_agent
from tf_agents.environments import py_environment, tf_py_environment
from tf_agents.networks import q_network
from tf_agents.replay_buffers import tf_uniform_replay_buffer
from tf_agents.specs import array_spec
from tf_agents.trajectories import time_step as ts
from tf_agents.trajectories import trajectory
from tf_agents.utils import common


class Walk(py_environment.PyEnvironment):
    def __init__(self):
        super().__init__()
        self._action_spec = array_spec.BoundedArraySpec((), np.int32, 0, 1, name="action")
        self._observation_spec = array_spec.BoundedArraySpec((1,), np.float32, -10, 10, name="observation")
        self._place = 0

    def action_spec(self):
        return self._action_spec

    def observation_spec(self):
        return self._observation_spec

    def _reset(self):
        self._place = 0
        return ts.restart(np.array([0.0], np.float32))

    def _step(self, action):
        if abs(self._place) >= 3:
            return self.reset()
        self._place += 1 if action else -1
        observation = np.array([self._place], np.float32)
        if abs(self._place) >= 3:
            return ts.termination(observation, reward=float(self._place > 0))
        return ts.transition(observation, reward=0.0)


environment = tf_py_environment.TFPyEnvironment(Walk())
network = q_network.QNetwork(environment.observation_spec(), environment.action_spec(), fc_layer_params=(16,))
agent = dqn_agent.DqnAgent(
    environment.time_step_spec(), environment.action_spec(), q_network=network,
    optimizer=tf_keras.optimizers.Adam(1e-2), td_errors_loss_fn=common.element_wise_squared_loss,
)  # fmt: skip
agent.initialize()
buffer = tf_uniform_replay_buffer.TFUniformReplayBuffer(agent.collect_data_spec, batch_size=1, max_length=200)
for _ in range(60):
    step = environment.current_time_step()
    action = agent.collect_policy.action(step)
    buffer.add_batch(trajectory.from_transition(step, action, environment.step(action.action)))
batches = iter(buffer.as_dataset(sample_batch_size=16, num_steps=2).prefetch(2))
agent.train = common.function(agent.train)
losses = [float(agent.train(next(batches)[0]).loss) for _ in range(10)]
assert all(np.isfinite(losses)), losses
