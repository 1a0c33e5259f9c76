"""For all tests: how long an example takes in real time says nothing on a busy machine.

CI draws the same examples each time, so that it judges the change and not the dice; at a desk
every run draws new ones.
"""

import os

from hypothesis import settings

settings.register_profile("voxlab", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("voxlab")
