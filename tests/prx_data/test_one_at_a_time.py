"""Two processes at once, in one workspace or for one output: one works, and the other is told."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prx_data import WorkspaceError
from prx_data.cli import main
from prx_data.dataset import MANIFEST
from prx_data.outputs import replacing
from prx_data.storage import alone

Curate = Callable[..., dict[str, Any]]
RUN = "import sys; from prx_data.cli import main; sys.exit(main(sys.argv[1:]))"


def test_one_curation_at_a_time_in_a_workspace(curated: Curate, pile: Path, tmp_path: Path) -> None:
    """Another one of other photos would take its photos away while it measures."""
    with alone(tmp_path / "work"):
        for dry in ([], ["--dry-run"]):
            path = tmp_path / "curate.toml"
            path.write_text(f'photos = "{pile}"\nworkspace = "{tmp_path / "work"}"\noutput = "{tmp_path / "other"}"\n')
            command = [sys.executable, "-c", RUN, "curate", str(path), *dry]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            assert (result.returncode, result.stdout) == (2, "")
            (told,) = result.stderr.splitlines()
            assert told.endswith("another curation is at work there; wait for its end, or choose another workspace.")
    assert not (tmp_path / "other").exists()
    curated()


def test_one_process_at_a_time_writes_an_output(
    curated: Curate, pile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another one would remove what this one has written aside."""
    path = tmp_path / "curate.toml"
    path.write_text(f'photos = "{pile}"\nworkspace = "{tmp_path / "other"}"\noutput = "{tmp_path / "dataset"}"\n')
    ended = (
        'import os; from pathlib import Path; from prx_data.outputs import replacing\nwith replacing(Path("dataset")) '
    )
    ended += 'as aside: (aside / "half").write_text("killed"); os._exit(9)'
    assert subprocess.run([sys.executable, "-c", ended], check=False, cwd=tmp_path).returncode == 9
    assert (tmp_path / ".dataset.partial" / "half").exists()
    with replacing(tmp_path / "dataset") as aside:
        assert list(aside.iterdir()) == []  # what the killed one left
        (aside / MANIFEST).write_text('{"inputs": "", "files": {}}')
        assert main(["curate", str(path)]) == 2
        (told,) = capsys.readouterr().err.splitlines()
        assert told.endswith("is in use: another process is writing it; wait for its end, or name another.")
        assert not (tmp_path / "other").exists()
        with pytest.raises(WorkspaceError, match="another process is writing it"), replacing(tmp_path / "dataset"):
            pass
    assert [one.name for one in (tmp_path / "dataset").iterdir()] == [MANIFEST]
    assert curated()["counts"]["kept"]
    assert {one.name for one in tmp_path.iterdir() if one.name.startswith(".")} == set()
