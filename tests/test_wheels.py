"""Each package builds a wheel that installs into a clean environment and works there without the other."""

import os
import subprocess
import sys
import venv
from collections import Counter
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).parent.parent

CURATE = """
import sys
from pathlib import Path
import numpy as np
from PIL import Image
import prx_data

folder = Path(sys.argv[1]) / "photos"
folder.mkdir()
for number in range(6):
    pixels = np.full((200, 160, 3), 255, dtype=np.uint8)
    pixels[40 + 10 * number : 160, 30:130] = (200, 20 * number, 40)
    pixels[60:90, 40 + 9 * number : 60 + 9 * number] = 0
    Image.fromarray(pixels).save(folder / f"{number}.png")
manifest = prx_data.curate(photos=folder, workspace=folder / "../work", output=folder / "../dataset").manifest
assert manifest["counts"]["photos"] == 6 and manifest["counts"]["kept"] > 0, manifest
assert "torch" not in sys.modules
"""

FIT = """
import sys
from pathlib import Path
import io
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
import prx_train

folder = Path(sys.argv[1]) / "pictures"
folder.mkdir()
rows = []
for number in range(4):
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), (60 * number, 200, 30)).save(buffer, "PNG")
    rows.append({"image": {"bytes": buffer.getvalue(), "path": "x.png"}, "caption": f"number {number}"})
pq.write_table(pa.Table.from_pylist(rows), folder / "train.parquet")
prx_train.fit(prx_train.TrainConfig(dataset=folder, output=folder / "run", budget="2 steps", resolution=16))
assert (folder / "run" / "config.json").read_text().count("prx-tiny") == 1
assert (folder / "run" / "pipeline" / "model_index.json").exists()
assert (folder / "run" / "report.html").exists()
"""


def needed_by(package: str, folder: Path) -> set[NormalizedName]:
    """The distributions that a package in `folder` declares that it needs, and that these do, by their metadata."""
    (own,) = metadata.distributions(name=package, path=[str(folder)])
    found, waiting = {(canonicalize_name(package), "")}, [(own, "")]
    while waiting:
        distribution, extra = waiting.pop()
        for requirement in map(Requirement, distribution.requires or ()):
            if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
                continue
            for asked in {(canonicalize_name(requirement.name), one) for one in ("", *requirement.extras)} - found:
                found.add(asked)
                waiting.append((metadata.distribution(asked[0]), asked[1]))
    return {name for name, _ in found} - {canonicalize_name(package)}


@cache
def owners() -> Counter[str]:
    """Of how many installed distributions something lies in each folder of `site-packages`."""
    records = (one.read_text("RECORD") or "" for one in metadata.distributions())
    return Counter(top for record in records for top in {line.partition("/")[0] for line in record.splitlines()})


def link(name: str, folder: Path) -> None:
    """Puts the modules and data of a distribution that is installed here into another environment.

    A folder that is of this distribution alone is linked as a whole, with what it was compiled to.
    """
    distribution = metadata.distribution(name)
    for file in distribution.files or ():
        top = file.parts[0]
        whole = len(file.parts) > 1 and owners()[top] == 1
        place = folder / top if whole else folder / file
        if ".." not in file.parts and not place.exists():  # scripts lie elsewhere; some files are of several
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(str(distribution.locate_file(top if whole else file)))


@pytest.mark.wheels
@pytest.mark.parametrize(
    ("package", "other", "code"), [("prx-data", "prx_train", CURATE), ("prx-train", "prx_data", FIT)]
)
def test_the_wheel_works_alone(package: str, other: str, code: str, tmp_path: Path) -> None:
    """In an environment that holds what the wheel's metadata ask for, as it was installed here, and nothing else."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path)]
    subprocess.run([*build, str(ROOT / "packages" / package)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "clean")
    python = tmp_path / "clean" / "bin" / "python"
    (modules,) = (tmp_path / "clean").glob("lib/*/site-packages")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    run = {"check": True, "cwd": tmp_path, "env": environment}
    pip = [sys.executable, "-m", "pip", "--python", python]
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", wheel], **run)  # type: ignore[call-overload]
    for name in needed_by(package, modules):
        link(name, modules)
    subprocess.run([*pip, "check"], **run)  # type: ignore[call-overload]
    missing = subprocess.run([python, "-c", f"import {other}"], cwd=tmp_path, env=environment, capture_output=True)
    assert missing.returncode != 0
    (tmp_path / "use.py").write_text(code)
    subprocess.run([python, "-W", "error::DeprecationWarning:__main__", "use.py", str(tmp_path)], **run)  # type: ignore[call-overload]
