"""Design spaces without any machine in them: quantities, expressions, ranges, dimensions, sampling, Pareto fronts."""
