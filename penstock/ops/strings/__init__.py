"""Ops on strings: splitting, joining, regular expressions, Unicode, hashes."""
