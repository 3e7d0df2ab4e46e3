"""Penstock standing in for the package named `tensorflow`.

`install` makes `import tensorflow` mean Penstock in this process: `finder` resolves the imports, `internals` holds
the table of TensorFlow's private module paths, `era` tells TensorFlow 1 programs from TensorFlow 2 ones.
Called by the command line, by notebooks, and by `tf.keras`, since Keras itself imports `tensorflow`.
"""

from penstock.standin.finder import KERAS_SHORTCUTS, install, keras_package

__all__ = ["KERAS_SHORTCUTS", "install", "keras_package"]
