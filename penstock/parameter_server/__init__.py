"""Parameter servers: variables that live in other processes, and workers that run functions on them."""
