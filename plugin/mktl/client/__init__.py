"""Finding stores and their items."""
