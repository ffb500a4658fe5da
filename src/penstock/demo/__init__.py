"""The demo: the whole loop on real flights, in a repository like any user's.

`project` makes the repository, `changes` plants what can go wrong in it, `traffic` replays real
flights as requests, and `walk` goes round the loop with the real commands.
"""
