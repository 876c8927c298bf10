"""Daemons to learn from, and to begin with: `co2-markd bench psu -m plugin.mktl.examples.power`."""
