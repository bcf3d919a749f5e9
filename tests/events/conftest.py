"""The options that the jets of the fixture ``chunks`` were generated with."""

from pyg_jets.events.options import PythiaOptions
from tests.conftest import CHUNK

OPTIONS = PythiaOptions(**CHUNK)
