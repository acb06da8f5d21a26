"""Put the folders that ship as data into the wheel; `grace.shipped` finds them there and in the source tree."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SHIPPED_FOLDERS = ("examples", "knowledge", "playbooks", "policies")


class ShippedFolders(BuildHookInterface[Any]):
    """Add each shipped folder under `grace/_shipped`; an editable install reads the source tree instead."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Extend what the wheel includes; a folder that is missing fails the build, which hatchling reports."""
        if version == "editable":
            return
        for name in SHIPPED_FOLDERS:
            build_data["force_include"][str(Path(self.root) / name)] = f"grace/_shipped/{name}"
