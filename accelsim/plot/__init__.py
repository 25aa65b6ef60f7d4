"""Figures, their tables, and the HTML report: one file per view, listed in `views`."""
