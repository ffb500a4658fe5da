"""Targets: where bundles serve and traffic is split. Each has the four methods of `Target`."""
