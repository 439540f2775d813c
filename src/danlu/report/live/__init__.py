"""A run as it goes on: the journal that it writes, and the small local server whose page follows it."""
