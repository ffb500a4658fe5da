"""Messages of inference: what gateway and worker say to each other, and how a model is described.

Light on purpose: standard library only, because both the gateway and every worker (in the
interpreter of its own bundle) import it.
"""
