"""Arrangements of atoms fitted to grouped intensities."""
