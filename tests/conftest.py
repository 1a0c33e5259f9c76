"""For all tests: how long an example takes in real time says nothing on a busy machine.

CI draws the same examples each time, so that it judges the change and not the dice; at a desk
every run draws new ones.
"""

import os

import pytest
from hypothesis import settings

settings.register_profile("voxlab", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("voxlab")


@pytest.fixture
def no_openai_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Take the key, the address and the proxy out of the environment."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_CUSTOM_HEADERS", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "*")
    # Our server speaks plain HTTP; to read the machine's certificates takes 0.1 s a client.
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path_factory.getbasetemp()))
