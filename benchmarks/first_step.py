"""Seconds from the call of `fit` to the end of its first step, for the models of fit_step.py.

    penstock run first_step.py cnn

Prints one JSON line. The second run of a machine finds the programs compiled, where the engine keeps them.
"""

import json
import sys
import time

from epochs import BATCH_SIZE, data
from fit_step import make

name = sys.argv[1]
x, y = (rows[:BATCH_SIZE] for rows in data(name))
model = make(name)
start = time.perf_counter()
model.fit(x, y, batch_size=BATCH_SIZE, verbose=0)
print(json.dumps({"first_step_s": round(time.perf_counter() - start, 3)}))
