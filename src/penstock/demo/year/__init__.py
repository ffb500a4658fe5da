"""A year of flights, day by day: the product alone, against never and monthly retraining.

`days` has the flights as traffic and labels, `repository` makes the project, `traffic` sends a
day, `watching` looks once a day as `penstock watch` does, `planted` offers bad candidates,
`replay` goes through the days, and `outcome` says what came of it.
"""
