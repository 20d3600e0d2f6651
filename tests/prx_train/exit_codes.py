"""What test_stopping.py starts in several processes: the command in each of them, and what it would exit with."""

import os
import sys
from pathlib import Path

from prx_train.cli import main

if __name__ == "__main__":
    config, folder = map(Path, sys.argv[1:])
    rank = os.environ["RANK"]
    (folder / f"process-{rank}").write_text(str(os.getpid()))
    # Not handed on, as the launcher ends the other processes when one of them has failed.
    (folder / f"code-{rank}").write_text(str(main(["fit", str(config)])))
