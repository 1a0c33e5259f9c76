"""`python -m voxlab` is the `voxlab` command."""

import sys

from voxlab.cli import main

sys.exit(main())
