"""Clusters whose processes are killed at random moments: nothing hangs, and nothing is lost beyond the last checkpoint."""
