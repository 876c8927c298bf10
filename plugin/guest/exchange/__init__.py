"""Exchanges: ways for requests to come in and for responses to go out. Each may be slow or die."""
