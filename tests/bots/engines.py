"""The engine in memory as the bots may meet it: in this process, and over HTTP."""

from __future__ import annotations

from mmrag.remote import RemoteEngine


class OverHttp:
    """A remote engine; what a test looks up or sets besides is the engine's at the other end."""

    def __init__(self, url, memory):
        vars(self)["memory"] = memory
        vars(self)["remote"] = RemoteEngine(url, patience_seconds=1)

    def __getattr__(self, name):
        remote, memory = vars(self)["remote"], vars(self)["memory"]
        return getattr(remote if hasattr(remote, name) else memory, name)

    def __setattr__(self, name, value):
        setattr(vars(self)["memory"], name, value)
