"""Measured patterns that come along, with their structures."""
