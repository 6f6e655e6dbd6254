"""The command line. Handlers only read options, call the library and print: everything else lives there."""

from .edge import main

__all__ = ["main"]
