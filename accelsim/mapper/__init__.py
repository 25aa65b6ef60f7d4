"""Search for mappings: the exact search for the bound objective, the simulator as the judge."""
