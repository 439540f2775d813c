"""What went wrong in a run, why, and what to do: history in, findings out. Silent on a healthy run."""

from danlu.diagnosis.diagnose import diagnose

__all__ = ["diagnose"]
