"""Space groups ranked by what a pattern says."""
