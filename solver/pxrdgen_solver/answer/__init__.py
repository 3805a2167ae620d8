"""From what a search found to a ranked answer with a verdict."""
