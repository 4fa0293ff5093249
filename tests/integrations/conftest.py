"""What LangChain's own tests ask of pytest, without the plugins that they bring along."""

from __future__ import annotations

import asyncio
import inspect

import pytest


def pytest_configure(config):
    for name in ("benchmark", "vcr"):
        config.addinivalue_line("markers", f"{name}: of LangChain's tests; nothing here has it")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run a test that is a coroutine function in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True
