"""While libraries are imported nothing is looked through for garbage, and afterwards it is as before."""

import gc
import subprocess
import sys

import pytest

from prx_train.importing import uncollected


def test_it_is_as_before_afterwards_whatever_that_was() -> None:
    assert gc.isenabled()
    with uncollected():
        assert not gc.isenabled()
        with uncollected():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ImportError), uncollected():
        raise ImportError
    assert gc.isenabled()


def test_what_is_imported_is_not_looked_through() -> None:
    code = (
        "import gc, sys, prx_train\n"
        "seen = []\n"
        "gc.callbacks.append(lambda phase, facts: seen.append(phase))\n"
        "prx_train.TrainConfig\n"
        "gc.callbacks.clear()\n"
        "assert 'pydantic' in sys.modules and gc.isenabled()\n"
        "print(seen.count('start'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 1  # the one that is due when it is on again


def test_what_is_imported_for_good_is_never_looked_through() -> None:
    code = (
        "import gc\n"
        "from prx_train.importing import uncollected\n"
        "with uncollected(for_good=True):\n"
        "    import pydantic\n"
        "assert gc.isenabled() and gc.get_freeze_count() > 10_000"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
