"""Damaged files of our own formats: refused in words or read as they were, never as other jets.

`make stress` tries a thousand damages of each format; these are a few of them.
"""

import pytest

from pyg_jets.io import open_table, read_parquet
from pyg_jets.io.parquet import verify_parquet
from tests.stress.formats import OURS, some_jets
from tests.stress.outcome import content_of, damage_one, outcome


@pytest.mark.parametrize("format", OURS, ids=lambda format: format.name)
def test_no_damage_is_read_as_something_else(format, tmp_path):
    format.write(tmp_path)
    whole, original = content_of(tmp_path), format.read(tmp_path)
    refused = 0
    for number in range(28):
        chosen = damage_one(tmp_path, whole, number, seed=11)
        kind, said = outcome(format, tmp_path, original)
        assert kind in ("refused", "unharmed"), (number, chosen, kind, said)
        refused += kind == "refused"
    assert refused > 20


def test_parquet_of_others_and_of_earlier_versions_is_read(tmp_path):
    import pyarrow.parquet as pq

    format = OURS[0]
    format.write(tmp_path)
    path = tmp_path / "jets.parquet"
    assert verify_parquet(path) == "ok"
    pq.write_table(pq.read_table(path), path)
    assert read_parquet(path).equals(some_jets())
    assert verify_parquet(path) == "unverified"
    with open_table(path) as table:
        assert "jets.gen_pt" in table.names


def test_a_table_of_our_parquet_compares_the_checksum(tmp_path):
    OURS[0].write(tmp_path)
    path = tmp_path / "jets.parquet"
    content = bytearray(path.read_bytes())
    content[-60] ^= 1  # in the footer, which has no checksum in parquet
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"is damaged \(its CRC is"), open_table(path):
        pass
    assert verify_parquet(path).startswith("damaged (its CRC is")
