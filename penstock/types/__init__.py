"""The nouns of the package: dtypes, shapes, specs, tensors, structures and errors. Imports nothing above itself."""
