"""A checker of optimality that shares no code with the search: spaces, counts and bounds of its own, in numpy."""
