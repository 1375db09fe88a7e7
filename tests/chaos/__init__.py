"""The chaos run: mixed jobs with a known end each, while everything around them is struck at random."""
