"""Design-space sweeps: points bound to machines and networks, run in processes, kept in a store of record."""
