#!/usr/bin/env bash
# livekit-agents 1.8.9: when does the last call of a worker end that drains?
#
# drain_timeout is "3" here, so one would guess that a call that is still on is ended after 3 s, or,
# with shutdown_process_timeout (10 s by default), after 13. An entrypoint that waits for the end of
# its call is asked nothing and told nothing: it runs on for 15 s after the deadline, a constant in
# ipc/job_proc_lazy_main.py, and is cancelled then. An orchestrator that grants drain_timeout and
# the 10 s kills the call in between.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q livekit-agents==1.8.9
cat > "$folder/measure.py" <<'PYTHON'
import asyncio
import importlib.metadata
import os
import sys
import time
from pathlib import Path

from livekit.agents import AgentServer

BEGAN, ENDED = Path(sys.argv[0]).with_name("began"), Path(sys.argv[0]).with_name("ended")
DRAIN_S = 3


async def hold_call(context):
    BEGAN.touch()
    try:
        await asyncio.sleep(600)
    finally:
        ENDED.write_text(str(time.time()))


async def main():
    server = AgentServer(
        host="127.0.0.1",
        port=0,
        num_idle_processes=1,
        initialize_process_timeout=120,
        drain_timeout=DRAIN_S,
    )
    server.rtc_session(hold_call)
    running = asyncio.create_task(server.run(unregistered=True))
    await asyncio.sleep(1)
    await server.simulate_job(room="room", fake_job=True)
    while not BEGAN.exists():
        await asyncio.sleep(0.1)
    began_s = time.time()
    try:
        await server.drain()
    except asyncio.TimeoutError:
        print(f"drain() gives up after {time.time() - began_s:.0f} s")
    await server.aclose()
    running.cancel()
    return float(ENDED.read_text()) - began_s


if __name__ == "__main__":
    print("livekit-agents", importlib.metadata.version("livekit-agents"))
    call_s = asyncio.run(main())
    print(f"drain_timeout={DRAIN_S}: the call ended after {call_s:.0f} s")
    sys.stdout.flush()
    os._exit(0 if DRAIN_S + 14 < call_s < DRAIN_S + 20 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/measure.py" 2> "$folder/log" || { tail -5 "$folder/log"; exit 1; }
