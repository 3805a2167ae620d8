"""The door: records, hooks, sources, the registry."""
