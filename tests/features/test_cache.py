import numpy as np
import pytest

from headstart.features.cache import PassCache
from headstart.results import HeadstartWarning


def digests(*numbers):
    return np.array([[n] * 32 for n in numbers], dtype=np.uint8)


def vectors(*numbers):
    column = np.array(numbers, dtype=np.float32)[:, None]
    return {"b": np.hstack([column, -column]), "a": column * 10}


def test_what_was_written_is_read_in_the_order_asked_for(tmp_path):
    cache = PassCache({"x": 1}, tmp_path)
    assert cache.missing(digests(1, 2, 1, 3)).tolist() == [0, 1, 3]
    cache.write(digests(1, 2), vectors(1, 2))
    cache.write(digests(3), vectors(3))
    for reader in (cache, PassCache({"x": 1}, tmp_path)):
        assert reader.missing(digests(3, 4, 2)).tolist() == [1]
        found = reader.read(digests(3, 1, 3, 2))
        assert list(found) == ["b", "a"]
        assert found["a"][:, 0].tolist() == [30, 10, 30, 20]
        assert found["b"].tolist() == [[3, -3], [1, -1], [3, -3], [2, -2]]
    assert list(cache.read(digests(1), ["a"])) == ["a"]
    with pytest.raises(KeyError):
        cache.read(digests(9))


def test_another_key_is_another_pass(tmp_path):
    PassCache({"precision": "bf16"}, tmp_path).write(digests(1), vectors(1))
    assert len(PassCache({"precision": "f32"}, tmp_path).missing(digests(1))) == 1


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_shard_is_seen_said_and_recomputed(tmp_path, damage):
    cache = PassCache({}, tmp_path)
    cache.write(digests(1), vectors(1))
    cache.write(digests(2), vectors(2))
    path = cache._shards[0]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes({"flip": bytes(content), "cut": bytes(content[:-40]), "empty": b""}[damage])
    with pytest.warns(HeadstartWarning, match="damaged"):
        again = PassCache({}, tmp_path)
    assert again.damaged == 1
    assert again.missing(digests(1, 2)).tolist() == [0]
    again.write(digests(1), vectors(1))
    assert again.read(digests(1))["a"].tolist() == [[10]]


def test_a_part_left_by_a_killed_process_is_no_shard(tmp_path):
    cache = PassCache({}, tmp_path)
    cache.write(digests(1), vectors(1))
    (cache.folder / ".shard-x.abc.part").write_bytes(b"half")
    assert len(PassCache({}, tmp_path).missing(digests(1))) == 0


def test_bounded_in_size_and_the_pass_at_hand_is_spared(tmp_path):
    import os

    old, new = PassCache({"k": 1}, tmp_path), PassCache({"k": 2}, tmp_path)
    for n in range(4):
        old.write(digests(n), vectors(n))
        os.utime(old._shards[-1], (n, n))
    size = old._shards[0].stat().st_size
    new.write(digests(9), vectors(9))
    assert new.prune(limit=3 * size) == 2 * size
    assert PassCache({"k": 1}, tmp_path).missing(digests(0, 1, 2, 3)).tolist() == [0, 1]
    new.prune(limit=0)
    assert len(new.missing(digests(9))) == 0
    assert len(PassCache({"k": 1}, tmp_path).missing(digests(0, 1, 2, 3))) == 4


def test_no_pictures(tmp_path):
    cache = PassCache({}, tmp_path)
    assert cache.read(np.zeros((0, 32), np.uint8)) == {}
