"""Parsing of records: `Example`, `SequenceExample`, CSV, JSON, protocol buffers."""
