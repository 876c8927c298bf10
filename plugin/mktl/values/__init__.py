"""What an item may be: its description, the check of its values, their texts. No I/O."""
