"""Weights files and their cards."""
