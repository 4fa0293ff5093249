"""Whether TypeScript compiles against the types that a platform publishes."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.chat_servers.npm import needs

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Types:
    """`folder` has the types' package.json and tsconfig.json, and what `make types` installs of `package`."""

    folder: Path
    package: str

    @property
    def needed(self):
        """A mark of the tests that compile."""
        return needs(self.folder, self.package)

    def complaints(self, source, folder):
        """What the compiler complains of; "" for nothing."""
        (folder / "sent.ts").write_text(source, encoding="utf-8")
        shutil.copy(self.folder / "tsconfig.json", folder)
        (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
        (folder / "node_modules").symlink_to(self.folder / "node_modules")
        compiler = self.folder / "node_modules" / ".bin" / "tsc"
        ran = subprocess.run(
            [compiler, "--noEmit", "--pretty", "false"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.environ["PATH"]},
        )
        return ran.stdout + ran.stderr
