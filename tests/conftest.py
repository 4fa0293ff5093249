"""Fixtures shared by all tests: real parts, built once."""

from __future__ import annotations
