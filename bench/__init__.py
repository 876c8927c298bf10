"""Benchmarks: co2 beside other servers, in one run, as ratios. `make bench` runs them all."""
