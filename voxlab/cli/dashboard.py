"""`voxlab serve dashboard`: the calls of a worker or a front, as they run, on one page."""

import argparse
import asyncio
import os
from collections.abc import Callable
from typing import Any

from voxlab.errors import VoxlabError

TOKEN = "VOXLAB_WORKER_TOKEN"
EPILOG = f"""\
example: {TOKEN}=a-secret voxlab serve dashboard http://127.0.0.1:8090

The worker or front needs the same {TOKEN}. No word of what is said comes here."""


def add(kinds: Any, add_command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command to the parser of `voxlab serve`."""
    about = "show the calls of workers as they run, on a page of this machine"
    dashboard = add_command(kinds, "dashboard", _dashboard, about, "")
    dashboard.formatter_class, dashboard.epilog = argparse.RawDescriptionHelpFormatter, EPILOG
    dashboard.add_argument(
        "url",
        nargs="?",
        default="http://127.0.0.1:8090",
        metavar="URL",
        help="of the front or worker; default: http://127.0.0.1:8090",
    )
    dashboard.add_argument("--port", type=int, default=8070, help="default: 8070; 0 for any")


def _dashboard(arguments: argparse.Namespace) -> int:
    from voxlab.clock import run_real
    from voxlab.serving.commands import check_port

    check_port(arguments.port)
    token = os.environ.get(TOKEN, "")
    if not token:
        raise VoxlabError(f"{TOKEN} is not set: who watches needs the workers' secret")
    run_real(_serve(arguments.url, arguments.port, token))
    return 0


async def _serve(url: str, port: int, token: str) -> None:
    from voxlab.plots.pages import render_page
    from voxlab.serving.commands import until_stopped
    from voxlab.serving.dashboard import serving_dashboard

    page = render_page("dashboard.html", url=url)
    async with serving_dashboard(page, url, token, port) as dashboard:
        print(f"{dashboard.url}  (the calls of {url}; Ctrl-C stops)", flush=True)
        stopping = asyncio.create_task(until_stopped())
        ends = (dashboard.following, stopping)
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if dashboard.following.done():
                dashboard.following.result()  # it ends only by an error
        finally:
            stopping.cancel()
