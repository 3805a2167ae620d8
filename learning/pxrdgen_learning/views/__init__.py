"""Patterns and structures as networks see them."""
