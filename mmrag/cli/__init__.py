"""The command line: `mmrag COMMAND`. It parses, calls the engine and prints; it decides nothing else."""

from mmrag.cli.main import main

__all__ = ["main"]
