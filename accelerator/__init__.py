"""Checks of programs on an accelerator; see `__main__`."""
