"""The relay's own logic: who is registered, who may send, who gets what."""
