"""co2: a network of small hosts scripted in Python."""

__version__ = "26.11.0"
