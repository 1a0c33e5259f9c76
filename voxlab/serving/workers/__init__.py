"""Workers: processes that hold calls, each call at an address of its own, and that drain.

| module | is |
|---|---|
| `admission` | which calls a worker takes, and when a draining one is done: pure |
| `worker` | one process: calls counted, refused, ended |
| `protocols`, `goodbye` | what the calls speak; the goodbye of a call that must end |
| `front`, `loads` | the door that gives a call its address; reports, and who gets the next call |
| `sip` | the same for SIP: a front that redirects, workers with a UDP port each |
| `joining` | a worker's connection to the front |
| `watching` | what is told of calls while they are on, to whoever has the token |
| `measuring` | what was measured of calls that are over, for Prometheus |
| `processes` | the processes of one machine: started, replaced, drained |
| `ray_actors` | the same on many machines, as actors of a Ray cluster |
"""

from voxlab.serving.workers.admission import (
    Drain,
    End,
    Limits,
    Measure,
    Open,
    Place,
    WorkerState,
    refusal,
    step,
)
from voxlab.serving.workers.front import FrontOptions, serving_front
from voxlab.serving.workers.goodbye import LeavesWithGoodbye
from voxlab.serving.workers.worker import WorkerOptions, serving_worker

__all__ = [
    "Drain",
    "End",
    "FrontOptions",
    "LeavesWithGoodbye",
    "Limits",
    "Measure",
    "Open",
    "Place",
    "WorkerOptions",
    "WorkerState",
    "refusal",
    "serving_front",
    "serving_worker",
    "step",
]
