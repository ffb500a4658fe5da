"""The spools of a gateway: their limits, and where records go when the disk refuses."""

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

from penstock.gateway.spools import SMALLEST, Spools
from penstock.inference import frames
from penstock.observations import segment
from penstock.observations.records import Record, encode_record

RECORD = Record("r", 1.0, "1", "champion", 200, 0.01, frames.INVOCATIONS_JSON, b"x" * 1000, b"[1]")
PAYLOAD = encode_record(RECORD)


@asynccontextmanager
async def spools(directory, *, age=60.0, disk=16 * SMALLEST, memory=16 * SMALLEST):
    made = Spools(directory, (), age, disk=disk, memory=memory)
    made.serve("m")
    yield made
    await made.release()


def filled(made, most=1_000_000) -> int:
    """Append until there is no room; return how many went in."""
    return next((count for count in range(most) if not made.append(PAYLOAD)), most)


def files(directory) -> list[Path]:
    return sorted(path for path in Path(directory).rglob("*") if path.is_file())


def test_what_the_store_has_makes_room_again(tmp_path):
    async def go():
        async with spools(tmp_path, disk=4 * SMALLEST) as made:
            first = filled(made)
            assert 1000 < first <= 4 * SMALLEST // len(PAYLOAD)
            assert not made.append(PAYLOAD)
            for one in made.untold():
                made.stored(one.name, one.end)
            assert not made.waiting
            await asyncio.sleep(0.1)  # no room was found just now: that is believed for a moment
            assert made.append(PAYLOAD)
            assert made.waiting
            assert made.error == ""

    asyncio.run(go())


def test_records_wait_in_memory_while_the_disk_refuses(tmp_path):
    blocked = tmp_path / "log"
    blocked.write_text("a file where the directory should be")

    async def go():
        async with spools(blocked, memory=4 * SMALLEST) as made:
            assert made.append(PAYLOAD)
            assert "wait in memory" in made.error
            (told,) = made.untold()
            descriptor = segment.share(told.name)
            assert descriptor is not None
            assert segment.read_head(descriptor).model == "m"
            assert filled(made) < 4 * SMALLEST // len(PAYLOAD)
            blocked.unlink()
            for one in made.unstored():
                made.stored(one.name, one.end)
            await asyncio.sleep(0.1)
            # A spare from when the disk refused may come first; then the disk is used again.
            assert filled(made) > 0
            assert made.error == ""
            assert files(tmp_path)

    asyncio.run(go())


def test_another_writer_is_told_of_all_that_is_not_stored(tmp_path):
    async def go():
        async with spools(tmp_path) as made:
            made.append(PAYLOAD)
            (told,) = made.untold()
            assert made.untold() == []
            made.append(PAYLOAD)
            (again,) = made.unstored()
            assert (again.name, again.start, again.resumed) == (told.name, told.start, True)
            assert again.end > told.end
            made.stored(told.name, told.end)
            assert made.waiting
            assert made.lost(told.name) == 1
            assert not made.waiting
            assert made.lost(told.name) == 0

    asyncio.run(go())


def test_a_segment_is_changed_after_a_while_and_with_the_model(tmp_path):
    async def go():
        async with spools(tmp_path, age=0.0) as made:
            made.append(PAYLOAD)
            (first,) = made.untold()
            made.append(PAYLOAD)
            assert {one.name for one in made.untold()} - {first.name}
        async with spools(tmp_path) as made:
            made.append(PAYLOAD)
            (first,) = made.untold()
            made.serve("other")
            made.append(PAYLOAD)
            (second,) = made.untold()
            assert second.name != first.name
            descriptor = segment.share(second.name)
            assert segment.read_head(descriptor).model == "other"

    asyncio.run(go())


def test_nothing_is_taken_after_the_release(tmp_path):
    async def go():
        async with spools(tmp_path) as made:
            made.append(PAYLOAD)
        assert not made.append(PAYLOAD)
        return made

    asyncio.run(go())
    assert len(files(tmp_path)) == 1  # what was kept waits for whoever looks for it
