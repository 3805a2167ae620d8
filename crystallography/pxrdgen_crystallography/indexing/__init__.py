"""Cells judged by the positions of lines."""
