"""Running graphs: partitioning into compiled pieces and host ops, lowering to XLA, sessions, devices."""
