"""Search for mappings: the space around a template core, a cheap estimate, the exact model as the judge."""
