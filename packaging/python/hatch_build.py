"""Tags the wheel with the platform that its libalkey.so runs on. `scripts/release` puts that file there."""

import os
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Platform(BuildHookInterface):
    def initialize(self, version, build_data):
        if not Path(self.root, "src/alkey_module/libalkey.so").exists():
            raise FileNotFoundError("src/alkey_module/libalkey.so is missing: scripts/release builds this wheel")
        glibc = os.environ["OLDEST_GLIBC"].replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-manylinux_{glibc}_x86_64"
