"""What travels, as bytes and as values: ZMTP, the two dialects, catalog blocks. No I/O."""
