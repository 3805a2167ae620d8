"""Runs as values: components by name, pipelines, and the YAML page that says them."""
