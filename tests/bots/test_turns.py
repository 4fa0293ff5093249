"""Turns: what the processes of one data folder do one at a time."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from bots.turns import Turns

ROOT = Path(__file__).parents[2]
HOLDS = """
import asyncio, sys
from pathlib import Path
from bots.turns import Turns

async def main():
    async with Turns(Path(sys.argv[1])).alone("commands"):
        print("held", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def test_a_turn_is_had_by_one_at_a_time_and_ends_with_the_process_that_has_it(tmp_path):
    async def story(process):
        with Turns(tmp_path) as turns:
            async with turns.alone("something else"):
                pass

            async def mine():
                async with turns.alone("commands"):
                    return process.poll()

            waiting = asyncio.create_task(mine())
            done, _ = await asyncio.wait([waiting], timeout=0.3)
            assert not done
            process.kill()
            assert await waiting is None or process.wait() == -9

    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        asyncio.run(story(process))


def test_turns_are_spaced(tmp_path):
    async def story():
        loop = asyncio.get_running_loop()
        times = []
        with Turns(tmp_path) as first, Turns(tmp_path) as second:
            for turns in (first, second, first):
                await turns.spaced("identify 0", 0.2)
                times.append(loop.time())
            await first.spaced("identify 1", 60)  # nobody has done this
        return times

    first, second, third = asyncio.run(story())
    assert second - first >= 0.2
    assert third - second >= 0.2
