"""Where Ray's actors come from: parameter servers, their workers, and workers of input pipelines run in them."""
