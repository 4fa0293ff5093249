"""The engine: the order in which the stages work, and nothing of how they do it."""

from mmrag.engine.engine import Engine
from mmrag.engine.stages import Limits, Stages

__all__ = ["Engine", "Limits", "Stages"]
