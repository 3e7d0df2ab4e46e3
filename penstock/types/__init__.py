"""The nouns: dtypes, shapes, tensors, specs, structures and errors. Imports nothing above itself."""
