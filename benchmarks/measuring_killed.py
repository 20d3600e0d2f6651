"""Kill -9 at random moments leaves a byte-identical dataset: prints one line for each kill and the verdict.

    python benchmarks/measuring_killed.py PHOTOS [KILLS]

Curates 150 of PHOTOS' phone photos without a kill, then again and again with one at a random moment of that time, in
the same folders, until KILLS (default 20) processes were killed while they worked; a run that ends before its kill
makes room for a fresh one. Exits with 1 if any finished dataset differs in a byte, or a worker outlives its parent.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RUN = "import sys; from prx_data.cli import main; sys.exit(main(sys.argv[1:]))"
NUMBER = 150


def start(folder: Path, name: str) -> subprocess.Popen[bytes]:
    """`prx-data curate` with a workspace and an output of that name."""
    config = folder / f"{name}.toml"
    places = {"photos": "photos", "workspace": f"{name}-work", "output": f"{name}-data"}
    lines = [f'{setting} = "{folder / place}"' for setting, place in places.items()]
    config.write_text("\n".join([*lines, "workers = 2"]))
    command = [sys.executable, "-c", RUN, "curate", str(config)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def data_of(folder: Path, name: str) -> dict[str, bytes]:
    """The bytes of everything under the fingerprint."""
    output = folder / f"{name}-data"
    return {path.name: path.read_bytes() for path in sorted(output.rglob("*.parquet"))}


def alive(group: int) -> bool:
    """Whether any process of a session is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> int:
    """Print what happened; 1 if it should not have."""
    root, kills = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20
    random = np.random.default_rng(0)
    bad = killed = compared = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "photos").mkdir()
        for path in sorted((root / "phone").rglob("*.jpg"))[:NUMBER]:
            (folder / "photos" / path.name).symlink_to(path.resolve())
        begin = time.perf_counter()
        assert start(folder, "whole").wait() == 0
        whole, took = data_of(folder, "whole"), time.perf_counter() - begin
        attempt = 0
        while killed < kills:
            moment = float(random.uniform(0.2, took))
            process = start(folder, f"killed{attempt}")
            time.sleep(moment)
            if process.poll() is None:
                # The one that leads: its workers have to notice by themselves.
                process.send_signal(signal.SIGKILL)
                process.wait()
                killed += 1
                shards = len(list((folder / f"killed{attempt}-work").glob("measures/*/*.parquet")))
                orphans = alive(process.pid)
                for _ in range(30):  # a process that is just being started sees it only then
                    time.sleep(0.5)
                    orphans = alive(process.pid)
                    if not orphans:
                        break
                bad += orphans
                print(
                    f"kill {killed:>2} after {moment:4.1f} s: {shards} shards kept{', workers left' * orphans}",
                    flush=True,
                )
                if killed < kills and random.random() < 0.7:
                    continue
            assert start(folder, f"killed{attempt}").wait() == 0
            same = data_of(folder, f"killed{attempt}") == whole
            bad += not same
            compared += 1
            print(f"finished: {'byte-identical' if same else 'DIFFERENT'}", flush=True)
            attempt += 1
    print(f"{killed} kills, {compared} datasets compared, {bad} faults")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
