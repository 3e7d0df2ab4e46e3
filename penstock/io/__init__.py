"""File formats in Python and NumPy: file systems, records, examples, images, sound. `penstock.ops` has the ops."""
