"""The start of a process is told to within the system's clock ticks."""

import os
import subprocess
import sys
import time

import pytest

from prx_train.birth import born

SAY = "import time; time.sleep(0.4); from prx_train.birth import born; print(time.monotonic() - born())"
LAUNCH = f"import subprocess, sys, time; time.sleep(0.7); subprocess.run([sys.executable, '-c', {SAY!r}], check=True)"


def age(code: str, **environment: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    return float(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not say")
def test_what_was_spent_before_the_first_line_counts() -> None:
    before = time.monotonic()
    assert born() <= before
    assert age(SAY) >= 0.4


@pytest.mark.alone
@pytest.mark.skipif(sys.platform != "linux", reason="the system does not say")
def test_a_launchers_time_counts_once() -> None:
    first, again = (age(LAUNCH, TORCHELASTIC_RESTART_COUNT=count) for count in ("0", "1"))
    assert first >= 1.1
    assert 0.4 <= again < first
