"""The exact mapper: the stated space, its linear cost model, the latency bound, and the descent that proves optima."""
