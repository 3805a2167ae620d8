"""The values that cross borders: frozen, keyword-only, shapes and units in their docstrings."""
