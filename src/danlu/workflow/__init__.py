"""The walk: from a table to a judged network that predicts."""
