"""Processes that train one model together, started by accelerate's launcher as a user starts them."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    # The launcher looks for a free port, lets it go, and listens there some time later: another process may have it by
    # then. With these of torchrun's variables a port is chosen by listening on it, and no host name is looked up.
    "PET_STANDALONE": "1",
    "PET_LOCAL_ADDR": "127.0.0.1",
}


class Launched:
    """Two processes, which use gloo without GPUs, and what they say in a file."""

    def __init__(self, log: Path, *words: str | Path) -> None:
        """Starts them; `words` follow `accelerate launch`."""
        command = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2"]
        command += ["--main_process_port", "0", *map(str, words)]
        self.log = log
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                command, cwd=REPOSITORY, env={**os.environ, **ENVIRONMENT}, stdout=file, stderr=file
            )

    def end_well(self) -> None:
        """Waits for them; where one fails, what both said is the failure's text."""
        code = self.process.wait()
        assert code == 0, f"exit {code}:\n{self.log.read_text(errors='replace')}"
