"""`import tensorflow` in a process started by a program under `penstock run`: Penstock, as in the program itself.

The folder above is on `PYTHONPATH` of such processes, so Python finds this module under the name.
"""

import importlib
import importlib.util
import os
import sys

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

del sys.modules["tensorflow"]
if importlib.util.find_spec("penstock"):
    from penstock.standin import install

    install(os.environ.get("PENSTOCK_API", "v2"))
else:  # another Python, which may have the real one
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != _HERE]
importlib.import_module("tensorflow")
