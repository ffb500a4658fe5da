"""Shipped for those who extend or embed penstock: exams for extensions, fakes, a pytest plugin."""
