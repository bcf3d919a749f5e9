"""Every test of an op runs twice: with the numba kernels, and with the torch path alone."""

import pytest


@pytest.fixture(autouse=True, params=["1", "0"], ids=["kernels", "torch"])
def kernels(request, monkeypatch):
    monkeypatch.setenv("PYG_JETS_KERNELS", request.param)
