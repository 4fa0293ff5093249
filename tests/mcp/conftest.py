"""An engine with a few documents, and the SDK's own client on the other side of a real pipe or socket."""

from __future__ import annotations

import pytest

pytest.importorskip("mcp", reason="needs the extra mcp")
