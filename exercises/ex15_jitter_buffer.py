# %% [markdown]
# # Exercise 15: A jitter buffer
#
# **Packets leave every 20 ms and arrive whenever they like. How long must the listener wait, so
# that the voice is whole?**
#
# *35 minutes, 2 points. We play packets that are late, early, doubled and missing, and number them
# past the end of their counter. Then we hear one voice through one bad network with four delays,
# and draw what each millisecond of waiting buys.*
#
# A call over the network (section 39.1.6) is a row of packets, each with 20 ms of sound and a
# sequence number. A jitter buffer turns them back into a voice that flows. Read, fill in what says
# "Exercise", and run the `check` below it. One test is hidden and checks the same on input that you
# do not see.

# %%
import numpy as np

from voxlab import Audio, check, data
from voxlab.telephony import Concealer, NetworkConditions, RtpSender, travel

# %% [markdown]
# ## A fixed delay
#
# The first packet that arrives is frame 0. We do not play it at once: we wait for `delay_ms`, in
# case the next ones are late. From then on **one frame plays every 20 ms, whatever has arrived**.
# So frame n is due at
#
# > arrival of the first packet + delay_ms + 20 · n
#
# A packet that is there by then is played, also if it comes at that very millisecond. If it is not,
# the frame is lost: later it is of no use to anybody. A packet may come twice; the second copy
# changes nothing. Which frame a packet is, its sequence number tells: the distance from the first
# packet's.
#
# By hand, with a delay of 30 ms. The first packet comes at 100 ms, so frame n is due at 130 + 20n.
#
# | arrives at (ms) | 100 | 118 | 155 | 171 | 195 |
# |---|---|---|---|---|---|
# | sequence | 7 | 8 | 10 | 9 | 12 |
# | frame | 0 | 1 | 3 | 2 | 5 |
# | due at (ms) | 130 | 150 | 190 | 170 | 230 |
# | in time? | yes | yes | yes | **no** | yes |
#
# Number 9 was overtaken and comes a millisecond too late. Number 11 never comes. So this plays:
# 7, 8, nothing, 10, nothing, 12.
#
# ## A counter that wraps
#
# A sequence number has 16 bits: after 65535 comes 0. So 2 is three steps **after** 65535, and not
# 65533 before it. Distances are counted around the circle, the shorter way: add half the circle,
# take the rest, subtract half the circle.
#
# - from 65535 to 2: (2 - 65535 + 32768) mod 65536 - 32768 = 3;
# - from 5 to 3: (3 - 5 + 32768) mod 65536 - 32768 = -2. A packet before frame 0 comes too late.


# %%
def playout(packets, delay_ms):
    """Return what plays in each frame from frame 0 to the last one known of: a number, or None.

    packets: list of (arrives_ms, sequence) in order of arrival, at least one; all whole numbers.

    >>> playout([(100, 7), (118, 8), (155, 10), (171, 9), (195, 12)], 30)
    [7, 8, None, 10, None, 12]
    >>> playout([(0, 65535), (20, 0)], 0)
    [65535, 0]
    """
    # Exercise ex15.1 (about 8 lines): for each packet its frame and whether it is in time
    raise NotImplementedError("Exercise ex15.1: for each packet its frame and whether it is in time")


# %%
check("ex15.1")

# %% [markdown]
# ## A bad network
#
# A sentence in packets, sent over a network that loses 2% of them and delays each by 40 ms and a
# random bit more, 15 ms in the mean and sometimes 80. Note how the arrivals spread.


# %%
def sent():
    """Return a sentence at 8 kHz as frames of 160 samples, float32 (frames, 160)."""
    samples = data.prompts("en")[3].audio.resample(8000).samples
    return samples[: samples.size // 160 * 160].reshape(-1, 160)


def arrivals(jitter_s=0.015, loss=0.02, seed=8):
    """Return (arrives_ms, sequence) of the packets that arrive, in order of arrival."""
    sender = RtpSender(payload_type=0, ssrc=1, sequence=65500)
    leaving = [(0.02 * n, sender.packet(b"", 160)) for n in range(len(sent()))]
    network = NetworkConditions(loss=loss, delay_s=0.04, jitter_s=jitter_s)
    arrived = travel(leaving, network, np.random.default_rng(seed))
    return [(round(1000 * at_s), packet.sequence) for at_s, packet in arrived]


# %%
print(f"{len(sent())} packets sent, {len(arrivals())} arrived; the first of them:")
for arrives_ms, sequence in arrivals()[30:42]:
    print(f"  {sequence:5d} at {arrives_ms:4d} ms")


# %% [markdown]
# Number 5 overtook number 4. Now we play it. Where a frame is lost, the library's
# concealment goes on with the last period of the voice. **Predict:** with how many milliseconds of
# delay will you hear no fault?


# %%
def heard(delay_ms):
    """Return the sentence as it plays with a delay, and the share of frames that are missing."""
    frames, concealer = sent(), Concealer()
    first = arrivals()[0][1]
    played = playout(arrivals(), delay_ms)
    sound = [
        concealer.conceal(160) if each is None else concealer.play(frames[(each - first) % 65536])
        for each in played
    ]
    return Audio(np.concatenate(sound), 8000), np.mean([each is None for each in played])


# %%
heard(0)[0]

# %%
heard(20)[0]

# %%
heard(60)[0]


# %%
def draw_price():
    """Draw the share of missing frames over the delay."""
    import matplotlib.pyplot as plt

    from voxlab.plots import AGENT, ERROR

    delays_ms = range(0, 101, 5)
    _, ax = plt.subplots(figsize=(9, 3.2), layout="constrained")
    ax.plot(delays_ms, [100 * heard(each)[1] for each in delays_ms], color=AGENT, marker="o")
    lost = 1 - len(arrivals()) / len(sent())
    ax.axhline(100 * lost, color=ERROR, linestyle="--", label="lost: no wait brings these back")
    ax.set(xlabel="delay of the buffer (ms)", ylabel="frames missing (%)", ylim=(0, None))
    ax.legend(frameon=False)


# %%
draw_price()

# %% [markdown]
# The first milliseconds buy most. In the end only what the network lost is missing, and every
# further millisecond is wasted: the caller waits for it in every answer.
#
# ## Three takeaways
#
# 1. A jitter buffer **buys whole sound with delay**; what is late is as lost as what never came.
# 2. Packets are put in place by their **number**, and numbers are compared by their **distance**.
# 3. The right delay depends on the network. The library's buffer measures it while the call runs,
#    and changes its delay where nobody speaks.

# %%
from voxlab import show_source
from voxlab.telephony import JitterBuffer

show_source(JitterBuffer.get)
