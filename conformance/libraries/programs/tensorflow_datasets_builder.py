"""tensorflow_datasets: a builder of one's own is generated, read, split, and batched."""

import tempfile

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds


class Squares(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")
    MODULE_PATH = __file__
    pkg_dir_path = __import__("pathlib").Path(__file__).parent

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(4, 4, 1)),
                    "label": tfds.features.ClassLabel(names=["even", "odd"]),
                    "name": tfds.features.Text(),
                    "numbers": tfds.features.Sequence(tf.int64),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(20), "test": self._generate_examples(5)}

    def _generate_examples(self, count):
        for i in range(count):
            image = np.full((4, 4, 1), i, np.uint8)
            yield i, {"image": image, "label": i % 2, "name": f"number {i}", "numbers": list(range(i % 3))}


with tempfile.TemporaryDirectory() as folder:
    builder = Squares(data_dir=folder)
    builder.download_and_prepare()
    assert builder.info.splits["train"].num_examples == 20
    train = builder.as_dataset(split="train[:50%]", as_supervised=True, shuffle_files=False)
    images, labels = next(iter(train.batch(10)))
    assert images.shape == (10, 4, 4, 1) and images.dtype == tf.uint8
    assert (images.numpy()[:, 0, 0, 0] % 2 == labels.numpy()).all()
    test = list(tfds.as_numpy(builder.as_dataset(split="test")))
    assert len(test) == 5 and test[0]["name"].startswith(b"number")
