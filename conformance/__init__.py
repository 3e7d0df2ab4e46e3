"""Other projects' own test suites, run on Penstock. One package for each suite."""
