"""Lattices: metric, centring, Bravais types, strain, volumes."""
