"""From a prepared pattern to a ranked answer: the problem, its grouped intensities, the search and the verdict."""
