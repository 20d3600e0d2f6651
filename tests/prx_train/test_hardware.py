import platform
from pathlib import Path

import pytest

from prx_train.hardware import has_bf16

FLAGS = Path("/proc/cpuinfo")


@pytest.mark.skipif(platform.machine() != "x86_64" or not FLAGS.exists(), reason="reads Linux's list of flags")
def test_what_torch_says_is_what_the_processor_says() -> None:
    flags = next(line for line in FLAGS.read_text().splitlines() if line.startswith("flags")).split()
    assert has_bf16("cpu") == ("amx_bf16" in flags)


def test_gpus_have_it() -> None:
    assert has_bf16("cuda")
    assert has_bf16("cuda:1")
