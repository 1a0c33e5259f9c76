#!/usr/bin/env bash
# Gradescope runs this once, when it builds the image: Python and voxlab into source/.venv.
# Its Ubuntu may have an older Python than voxlab needs; uv brings one.
set -euo pipefail
cd "${AUTOGRADER:-/autograder}/source"
apt-get update
apt-get install -y curl make
curl -LsSf https://astral.sh/uv/install.sh | env UV_INSTALL_DIR=/usr/local/bin sh
uv python install 3.12
make setup PYTHON="$(uv python find 3.12)"
