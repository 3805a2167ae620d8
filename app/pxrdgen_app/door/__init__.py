"""The Python door: solve, index, refine."""
