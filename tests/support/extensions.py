"""The example package that adds one of each, as an installer leaves it."""

import tomllib
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "extensions"


def install(package, site):
    """Put `package`, a folder such as `EXAMPLE`, into the folder `site`, to be named in PYTHONPATH."""
    project = tomllib.loads((package / "pyproject.toml").read_text("utf-8"))["project"]
    module, version = project["name"].replace("-", "_"), project["version"]
    metadata = site / f"{module}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {version}\n"
    )
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(groups))
    (site / module).symlink_to(package / module)
    return site
