"""Benchmarks: CPU seconds, counts and ratios, measured in one run; never a test."""
