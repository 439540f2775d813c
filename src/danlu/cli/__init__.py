"""The command line: parse, call, print. Everything that computes lives in `danlu.workflow`."""

from danlu.cli.app import main

__all__ = ["main"]
