"""What makes a reflection a line of a powder pattern: its strength, place, width and shape, for numpy and torch."""
