"""Space groups and their settings, symmetry of refined structures, conventional descriptions."""
