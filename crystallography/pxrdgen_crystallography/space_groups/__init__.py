"""Which space groups a powder pattern, a cell and a composition allow, and how likely each is."""
