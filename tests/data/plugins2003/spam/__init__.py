"""The package 'spam' of a plugin directory as the text of 2003 describes it."""

__all__ = ['ham', 'eggs']
