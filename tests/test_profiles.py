"""Profiles: each passes the percentiles that were measured, and no two definitions mix."""

import math
import tomllib
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from voxlab.errors import LatencyError
from voxlab.latency.provider_latencies import (
    TOLERANCE,
    Profile,
    find_profile,
    fit_profile,
    load_measurements,
)

DEFINITIONS = {
    "finalisation": "stt/",
    "from-speech-end": "stt-from-speech-end/",
    "first-token": "llm/",
    "first-audio": "tts/",
    "voice-to-voice": "realtime/",
}
FLASH_S = (0.205, 2.894, 3.735)


@pytest.mark.parametrize("name", load_measurements())
def test_a_profile_passes_its_measured_percentiles_within_one_percent(name):
    row = load_measurements()[name]
    for percent, cited_s in ((50, row.p50_s), (95, row.p95_s), (99, row.p99_s)):
        assert row.profile.percentile(percent) == pytest.approx(cited_s, rel=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("name", load_measurements())
def test_random_latencies_have_the_measured_percentiles(name):
    row = load_measurements()[name]
    drawn_s = row.profile.draw(np.random.default_rng(7), 400_000)
    seen_s = np.percentile(drawn_s, [50, 95, 99])
    assert seen_s == pytest.approx([row.p50_s, row.p95_s, row.p99_s], rel=0.03)
    assert drawn_s.min() > row.profile.floor_s > 0


def test_every_row_has_a_citation_and_a_definition_that_its_name_tells():
    table = tomllib.loads(
        files("voxlab.latency").joinpath("provider_latencies.toml").read_text("utf-8")
    )
    assert len(load_measurements()) == len(table) - 1 == 17
    for name, row in load_measurements().items():
        assert name.startswith(DEFINITIONS[row.definition])
        assert "/" in row.source.partition(" ")[0], "an owner and a repository"
        assert row.source.partition("@")[2] or "24 h" in row.source


def test_the_table_holds_what_was_measured():
    mini, nova = load_measurements()["llm/gpt-4o-mini"], load_measurements()["stt/nova-3"]
    assert (mini.p50_s, mini.p95_s, mini.p99_s) == (0.553, 1.947, 6.497)
    assert (nova.p50_s, nova.p95_s, nova.p99_s) == (0.096, 0.149, 0.282)
    assert "25,523" in nova.note


def test_one_lognormal_cannot_have_a_tail_that_ends_at_once_and_slow_spells_can():
    with pytest.raises(LatencyError, match=r"P95 2.894.*incident_share"):
        fit_profile(*FLASH_S)
    profile = fit_profile(*FLASH_S, incident_share=0.08)
    assert [profile.percentile(p) for p in (50, 95, 99)] == pytest.approx(FLASH_S, rel=TOLERANCE)
    assert profile.percentile(90) < 0.3, "outside its spells it is quick"


@pytest.mark.parametrize("share", [0.02, 0.049, 0.05, 0.051, 0.08])
def test_no_share_of_incidents_between_two_that_fit_is_left_out(share):
    cited_s = (0.3, 0.5, 0.9)
    profile = fit_profile(*cited_s, share)
    assert [profile.percentile(p) for p in (50, 95, 99)] == pytest.approx(cited_s, rel=TOLERANCE)


def test_one_lognormal_cannot_have_a_p99_far_beyond_its_p95():
    with pytest.raises(LatencyError, match="one shifted lognormal cannot"):
        fit_profile(0.098, 0.217, 2.117)


@given(st.floats(0.05, 2), st.floats(0.05, 1), st.floats(0.05, 0.9))
def test_a_plain_fit_finds_the_lognormal_that_the_percentiles_come_from(floor_s, scale_s, sigma):
    true = stats.lognorm(sigma, floor_s, scale_s)
    fitted = fit_profile(*(float(true.ppf(level)) for level in (0.5, 0.95, 0.99)))
    assert fitted.sigma == pytest.approx(sigma, rel=1e-4)
    assert fitted.floor_s == pytest.approx(floor_s, rel=1e-3, abs=1e-3)
    assert fitted.cdf(floor_s + scale_s) == pytest.approx(true.cdf(floor_s + scale_s), abs=1e-4)


def test_the_cdf_is_that_of_the_draws():
    profile = Profile(0.1, 0.2, 0.5, 0.1, 2.0, 0.3)
    drawn_s = profile.draw(np.random.default_rng(3), 20_000)
    seen = stats.ks_1samp(drawn_s, np.vectorize(profile.cdf))
    assert seen.pvalue > 0.01


def test_another_median_keeps_the_shape():
    profile = find_profile("tts/flash-v2.5", "first-audio")
    half = profile.scaled(profile.percentile(50) / 2)
    for percent in (5, 50, 95, 99):
        assert half.percentile(percent) == pytest.approx(profile.percentile(percent) / 2)


def test_two_profiles_with_equal_generators_have_equal_luck():
    quick = find_profile("llm/gpt-oss-120b-groq", "first-token")
    slow = find_profile("llm/claude-haiku-4-5", "first-token")
    one, other = np.random.default_rng(5), np.random.default_rng(5)
    a, b = quick.draw(one, 500), slow.draw(other, 500)
    assert stats.spearmanr(a, b).statistic > 0.99
    assert one.random() == other.random(), "both took the same numbers"


def test_what_was_measured_from_the_end_of_speech_is_no_finalisation():
    with pytest.raises(LatencyError, match=r"measured from-speech-end, and finalisation is needed"):
        find_profile("stt-from-speech-end/nova-3", "finalisation")


def test_an_unknown_profile_is_answered_with_the_names():
    with pytest.raises(LatencyError, match="stt/nova-3, "):
        find_profile("stt/nova-4", "finalisation")


@pytest.mark.parametrize(
    "cited_s",
    [
        (0.3, 0.2, 0.4),
        (0.2, 0.2, 0.4),
        (-0.1, 0.2, 0.4),
        (0.1, math.nan, 0.4),
        (0.1, 0.2, math.inf),
    ],
)
def test_percentiles_out_of_order_are_refused_with_their_values(cited_s):
    with pytest.raises(LatencyError, match=f"P50 {cited_s[0]:g}, P95 {cited_s[1]:g}"):
        fit_profile(*cited_s)


@pytest.mark.parametrize("share", [0.005, 0.6, -0.1, math.nan])
def test_an_impossible_share_of_incidents_is_refused(share):
    with pytest.raises(LatencyError, match=f"incident_share is {share}"):
        fit_profile(0.1, 0.2, 0.4, share)
