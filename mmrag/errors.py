"""The exception tree.

    MmragError                    anything this project raises on purpose
    ├── GenerationFailed          a model gave no answer; the engine answers without it and says why
    └── UserFacingError           its text may be shown to the person who asked
        ├── InvalidInput          the request itself is at fault: wrong usage, too long
        ├── NotFound              a document or answer of that id is not there
        ├── InvalidSettings       a setting cannot be used; the text names it
        ├── NotReadable           a file or picture could not be read; the text says what to send instead
        ├── StoreUnavailable      the data folder cannot be used (permissions, full disk, locked)
        ├── EngineUnavailable     a remote engine cannot be reached, or refuses for now; nothing was lost
        ├── NotAllowed            a remote engine does not let this client do it
        └── MissingExtra          an optional dependency is not installed; the text holds the command

A `UserFacingError` is one sentence (or two) that says what happened and what to do,
never a secret and never a text from somebody's message.
"""

from __future__ import annotations


class MmragError(Exception):
    """Anything this project raises on purpose."""


class GenerationFailed(MmragError):
    """A model gave no answer; the text says why, as the end of "the model gave no answer: ..."."""


class UserFacingError(MmragError):
    """An error whose text may be shown to the person who asked."""


class InvalidInput(UserFacingError):
    """The request itself is at fault."""


class NotFound(UserFacingError):
    """A document or answer of that id is not there."""


class InvalidSettings(UserFacingError):
    """A setting cannot be used."""


class NotReadable(UserFacingError):
    """A file or picture could not be read."""


class StoreUnavailable(UserFacingError):
    """The data folder cannot be used."""


class EngineUnavailable(UserFacingError):
    """A remote engine cannot be reached, or refuses for now."""


class NotAllowed(UserFacingError):
    """A remote engine does not let this client do it."""


class MissingExtra(UserFacingError):
    """A dependency of an extra is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed: run  pip install 'mmrag[{extra}]'")
