"""Ops on images: codecs, resizing, colours, boxes."""
