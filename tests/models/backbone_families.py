"""Every family of backbones in every layout that it has."""

import pytest

from skeletonllm.models.backbones import FAMILIES

LAYOUTS = [(name, layout) for name, family in FAMILIES.items() for layout in family.placeholders]
each_family = pytest.mark.parametrize("family", list(FAMILIES))
each_layout = pytest.mark.parametrize(("family", "layout"), LAYOUTS, ids=[" ".join(pair) for pair in LAYOUTS])
