"""The command line: one file for each command, named like it."""

from hwnas.cli._app import main

__all__ = ["main"]
