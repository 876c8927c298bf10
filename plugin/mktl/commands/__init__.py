"""The commands co2-markd, co2-markguided and co2-mark."""
