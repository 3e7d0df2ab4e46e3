"""Distributed programs of the guides, and programs over meshes, under TensorFlow and Penstock: every number the same.

python -m oracle.distribution --tensorflow-python PATH
"""

from oracle.networks import compare

if __name__ == "__main__":
    compare(__doc__, ["distribution_program.py", "dtensor_program.py"], KERAS_BACKEND="tensorflow")
