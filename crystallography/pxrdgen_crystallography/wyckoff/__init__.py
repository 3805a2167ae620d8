"""Wyckoff positions of the space groups, and the ways to put the atoms of a formula on them."""
