"""Does `nvdla_full` need the vendor's MAC cycles where channels and filters fill its array?"""

from __future__ import annotations

import pytest

from accelsim.lookup import load_arch
from accelsim.validate import nvdla
from accelsim.validate.tables import table

ARCH = load_arch("nvdla_full")[0]
LINES = {line["layer"]: line for line in table("nvdla_mac_cycles.csv")}


@pytest.mark.parametrize(
    "name", ["AlexNet conv4", "AlexNet conv5", "ResNet-50 res5b_branch2a", "ResNet-50 res4a_branch1"]
)
def test_layers_that_fill_the_array(name: str) -> None:
    line = LINES[name]
    theirs = float(line["mac_cycles"]) * (nvdla.WINOGRAD if line["winograd"] == "1" else 1)
    assert nvdla.stream_cycles(line, ARCH) == theirs


@pytest.mark.slow
def test_whole_table() -> None:
    assert nvdla.compare().failures == ()
