"""Many hosts at once into one archive, and what people see meanwhile."""
