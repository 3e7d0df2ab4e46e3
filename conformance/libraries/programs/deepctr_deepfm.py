"""deepctr: DeepFM on categories and numbers."""

import numpy as np
from deepctr.feature_column import DenseFeat, SparseFeat, get_feature_names
from deepctr.models import DeepFM

rng = np.random.default_rng(0)
columns = [SparseFeat("c", 10, embedding_dim=4), SparseFeat("d", 5, embedding_dim=4), DenseFeat("n", 1)]
data = {"c": rng.integers(0, 10, 128), "d": rng.integers(0, 5, 128), "n": rng.random(128)}
labels = (data["c"] > 4).astype("float32")
model = DeepFM(columns, columns, task="binary", dnn_hidden_units=(16, 8))
model.compile("adam", "binary_crossentropy", metrics=["AUC"])
inputs = {name: data[name] for name in get_feature_names(columns)}
history = model.fit(inputs, labels, batch_size=16, epochs=5, verbose=0).history
assert history["loss"][-1] < history["loss"][0], history
