"""Symmetry-aware search: space groups, assignments of atoms to Wyckoff positions, and their free coordinates."""
