"""Settings of a project: penstock.yaml, checked, with every problem at once and its place."""
