"""The only mathematics in the house: pure functions on numbers and arrays."""
