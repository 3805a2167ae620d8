"""Formulas as chemists type them."""
