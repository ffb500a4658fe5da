"""The command line: one file per group of verbs; the only place that prints or exits."""
