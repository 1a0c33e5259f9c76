"""The same agent on other people's frameworks: LiveKit Agents and Pipecat, offline, in real time.

Their packages and ours cannot share an environment, so a worker process holds the call there:
`processes` starts it, `recorded` gives what one has recorded before.
"""

FRAMEWORKS = ("livekit", "pipecat")
