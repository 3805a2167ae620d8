"""Crystallography in numbers: lattices, symmetry, diffraction, preparation, decomposition, fits of structures.

No component and no spec; everything here is a function or a value.
"""
