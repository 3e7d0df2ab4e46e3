"""Programs that are timed under Penstock and under its peers; `python -m benchmarks` runs both and compares."""
