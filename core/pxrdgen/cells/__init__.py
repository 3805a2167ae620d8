"""The unit cell from the pattern: what is known, what is proposed, refinement on peaks, merging, choosing."""
