"""Nouns of the loop: frozen dataclasses and their legal transitions.

No I/O, no clock, no third-party dependency: stations pass these to each other and never import
each other. Every noun turns into plain values with `to_dict` and back with `from_dict`.
"""
