"""Cells found in a pattern."""
