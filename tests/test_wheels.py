"""Each package builds a wheel that installs into a clean environment and works there without the other."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

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


@pytest.mark.wheels
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("package", "extra", "other", "code"),
    [("prx-data", "", "prx_train", CURATE), ("prx-train", "", "prx_data", FIT)],
)
def test_the_wheel_works_alone(package: str, extra: str, other: str, code: str, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path)]
    subprocess.run([*build, str(ROOT / "packages" / package)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "clean", with_pip=True)
    python = tmp_path / "clean" / "bin" / "python"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    run = {"check": True, "cwd": tmp_path, "env": environment}
    install = [python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", f"{wheel}{extra}"]
    subprocess.run(install, **run)  # type: ignore[call-overload]
    missing = subprocess.run([python, "-c", f"import {other}"], cwd=tmp_path, env=environment, capture_output=True)
    assert missing.returncode != 0
    (tmp_path / "use.py").write_text(code)
    subprocess.run([python, "-W", "error::DeprecationWarning:__main__", "use.py", str(tmp_path)], **run)  # type: ignore[call-overload]
