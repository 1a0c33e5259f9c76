"""Workers as actors of a Ray cluster of two nodes, which listen on the loopback address only."""

import asyncio
import json
import sys
from contextlib import asynccontextmanager, contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from worker_calls import OFTEN, Phone, answers, ask, ask_for_call
from worker_process import serve_echo

from voxlab.errors import VoxlabError, missing_extra
from voxlab.serving.workers import FrontOptions, Limits, WorkerOptions, serving_front
from voxlab.serving.workers.ray_actors import RayOptions, RayWorkers

HERE = str(Path(__file__).parent)
NODE = {
    "num_cpus": 1,
    "node_ip_address": "127.0.0.1",
    "object_store_memory": 80 * 2**20,
    "include_log_monitor": False,
}


@contextmanager
def two_nodes(monkeypatch):
    """Run a cluster; yields its address and the second node."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # else loopback is not kept
    monkeypatch.setenv("PYTHONPATH", HERE)  # the actors import worker_process
    import ray
    from ray.cluster_utils import Cluster

    head = {**NODE, "include_dashboard": False, "no_monitor": True}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        yield cluster.address, cluster.add_node(**NODE)
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason=missing_extra("ray"))
@pytest.mark.filterwarnings("default")  # Ray's own
def test_a_full_cluster_refuses_and_a_lost_node_takes_its_calls_along_and_no_others(monkeypatch):
    ended = [asyncio.Event() for _ in range(3)]
    phones = [Phone(f"CA{number}", number) for number in range(3)]

    async def main(address, node):
        options = FrontOptions(calls=OFTEN)
        async with serving_front("twilio", options) as front:
            limits = Limits(most_calls=1, most_lag_s=9.0)
            given = WorkerOptions(limits=limits, token=options.worker_token)
            workers = RayWorkers(front, serve_echo, given, RayOptions(address))
            await workers.start(2)
            with pytest.raises(VoxlabError, match="the cluster's 2 CPUs 0 are free"):
                await workers.start(1, within_s=0.5)
            holding = [
                asyncio.create_task(phone.hold(await ask_for_call(front), end.is_set))
                for phone, end in zip(phones[:2], ended, strict=False)
            ]
            await answers(front.url + "/load", lambda status, load: on(load) == [1, 1])
            status, headers, body = await ask(front.url + "/calls", "POST")
            assert (status, headers["Retry-After"]) == (503, "5")
            assert "All lines are busy (2 calls)" in json.loads(body)["error"]["message"]
            ended[0].set()  # who hangs up makes room
            await holding[0]
            await answers(front.url + "/load", lambda status, load: sum(on(load)) == 1)
            url = await ask_for_call(front)
            holding.append(asyncio.create_task(phones[2].hold(url, ended[2].is_set)))
            await answers(front.url + "/load", lambda status, load: on(load) == [1, 1])
            node.kill_raylet(check_alive=False)
            await asyncio.wait(holding[1:], return_when=asyncio.FIRST_COMPLETED)
            (left,) = (phone for phone in phones[1:] if phone.closed_s is None)
            heard = len(left.heard)
            await asyncio.sleep(1.0)
            assert len(left.heard) > heard
            ended[1].set()
            ended[2].set()
            await asyncio.gather(*holding, return_exceptions=True)
            await workers.drain()
            assert left.closed_s is None

    with two_nodes(monkeypatch) as (address, node):
        asyncio.run(asyncio.wait_for(main(address, node), 120.0))


def serve_without_engines():
    """Stand for a machine on which a worker's engines cannot be loaded."""

    @asynccontextmanager
    async def serve(options):
        raise OSError("no engines here")
        yield

    return serve


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason=missing_extra("ray"))
@pytest.mark.filterwarnings("default")  # Ray's own
def test_a_restart_ends_no_call_and_a_worker_that_fails_says_why(monkeypatch):
    ended = asyncio.Event()
    before, after = Phone("CA0", 0), Phone("CA1", 1)

    async def main(address, node):
        options = FrontOptions(calls=OFTEN)
        async with serving_front("twilio", options) as front:
            limits = Limits(most_calls=1, most_lag_s=9.0)
            given = WorkerOptions(limits=limits, token=options.worker_token)
            broken = RayWorkers(front, serve_without_engines, given, RayOptions(address))
            with pytest.raises(VoxlabError, match="did not start: OSError: no engines here"):
                await broken.start(1)
            monkeypatch.setattr("ray.init", lambda *address, **how: None)  # it is connected
            workers = RayWorkers(front, serve_echo, given, RayOptions(address))
            await workers.start(1)
            holding = asyncio.create_task(before.hold(await ask_for_call(front), ended.is_set))
            await answers(front.url + "/load", lambda status, load: on(load) == [1])
            await workers.restart()
            frames = len(before.frames)
            url = await ask_for_call(front)
            await after.hold(url, lambda: len(after.frames) > 50)
            assert len(before.frames) >= frames + 50
            ended.set()
            await holding
            await workers.drain()

    with two_nodes(monkeypatch) as (address, node):
        asyncio.run(asyncio.wait_for(main(address, node), 120.0))
    for phone in (before, after):
        assert phone.closed_s is None  # it hung up itself
        assert len(phone.heard) > len(b"".join(phone.frames)) // 2


def on(load):
    """Return how many calls each worker holds."""
    return [each["active"] for each in load["workers"]]


def test_without_the_extra_the_sentence_that_installs_it_is_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(VoxlabError, match=r"\[ray\]"):
        RayWorkers(None, serve_echo, WorkerOptions())
