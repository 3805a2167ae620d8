"""Refinement of a known structure against a pattern: what ``pxrdgen refine`` does."""
