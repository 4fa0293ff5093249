"""Whether TypeScript compiles against the types that a platform publishes."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Types:
    """`folder` has the types' package.json and tsconfig.json, and what `make types` installs of `package`."""

    folder: Path
    package: str
    platform: str

    def missing(self):
        """Why nothing can be compiled here, or None."""
        if shutil.which("node") is None:
            return "node is not installed"
        if not (self.folder / "node_modules" / self.package).is_dir():
            return f"{self.platform}'s types are not installed: run  make types"
        return None

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
