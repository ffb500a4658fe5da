"""Retraining: a request -> data and parameters on a branch -> a walk through the loop -> a gain.

It stands above `penstock.loop`: a retraining is an ordinary walk with a commit made before it and
an account kept after it.
"""
