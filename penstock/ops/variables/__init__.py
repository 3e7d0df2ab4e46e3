"""Variables: creation, scopes, initial values, updates, the ops of optimizers."""
