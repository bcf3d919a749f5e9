"""What pyproject.toml cannot say: found packages, and the dataset cards as one more package."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["pyg_jets", "pyg_jets.*"]), "pyg_jets._cards"],
    package_dir={"pyg_jets._cards": "datasets"},
)
