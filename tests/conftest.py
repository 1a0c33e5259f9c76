"""For all tests: how long an example takes in real time says nothing on a busy machine."""

from hypothesis import settings

settings.register_profile("voxlab", deadline=None)
settings.load_profile("voxlab")
