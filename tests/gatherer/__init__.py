"""Tests of the gatherer, most of them with real workers."""
