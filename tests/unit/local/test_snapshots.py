import os
from pathlib import Path

from omeflow.local import snapshots
from omeflow.local.snapshots import KEPT, Snapshot


def data(directory: Path, content: str = "content") -> Path:
    (directory / "member" / "wal").mkdir(parents=True)
    (directory / "member" / "wal" / "0.wal").write_text(content)
    return directory


def test_what_is_saved_is_restored(tmp_path: Path) -> None:
    snapshot = Snapshot(tmp_path / "snapshots", name="a")
    assert not snapshot.restore(tmp_path / "new")
    snapshot.save(data(tmp_path / "old"))
    assert snapshot.restore(tmp_path / "new")
    assert (tmp_path / "new" / "member" / "wal" / "0.wal").read_text() == "content"


def test_a_damaged_snapshot_is_as_good_as_none(tmp_path: Path) -> None:
    snapshot = Snapshot(tmp_path / "snapshots", name="a")
    snapshot.save(data(tmp_path / "old", content="content" * 10_000))
    whole = snapshot.file.read_bytes()
    snapshot.file.write_bytes(whole[: len(whole) // 2])
    assert not snapshot.restore(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert not snapshot.file.exists()


def test_those_used_last_are_kept(tmp_path: Path) -> None:
    old = data(tmp_path / "old")
    taken = [Snapshot(tmp_path / "snapshots", name=str(number)) for number in range(KEPT)]
    for age, snapshot in enumerate(taken):
        snapshot.save(old)
        os.utime(snapshot.file, (1000 + age, 1000 + age))
    assert taken[0].restore(tmp_path / "new")
    Snapshot(tmp_path / "snapshots", name="one more").save(old)
    assert taken[0].file.exists()
    assert not taken[1].file.exists()


def test_other_definitions_are_another_state() -> None:
    one, two = {"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}
    assert snapshots.key([one]) == snapshots.key([one])
    assert len({snapshots.key([]), snapshots.key([one]), snapshots.key([one, two])}) == 3
