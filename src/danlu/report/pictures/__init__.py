"""Each picture of `danlu plot` as a figure, drawn from plain records."""
