"""Queues between the threads of a TF 1 program, and what is built on them: barriers, staging areas, readers."""
