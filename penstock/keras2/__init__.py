"""Keras 2 programs on Keras 3: what Keras 3 moved, renamed or left out.

`import_hook` waits for Keras's import and then calls `enable.enable`, once: the old module paths of `modules` get into
`sys.modules`, and modules and classes of Keras get the names that they lack. No file of Keras changes, and a call that
Keras 3 accepts does what Keras 3 does. Active wherever Penstock stands in for TensorFlow.
"""

from penstock.keras2.import_hook import install_import_hook

__all__ = ["install_import_hook"]
