"""The chaos run: jobs of many kinds, each with a known result, while faults happen at random."""
