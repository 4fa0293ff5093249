"""The engine: reads documents and pictures, retrieves, and answers with cited sources.

It knows no chat platform; `bots/` translates those. Start reading at `mmrag.engine`.
"""

__version__ = "0.1.0"
