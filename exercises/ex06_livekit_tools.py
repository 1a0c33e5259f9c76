# %% [markdown]
# # Exercise 6: An agent with tools, and what its test cannot hear
#
# **A voice agent passes every test of its framework. What can still go wrong on the telephone?**
#
# *45 minutes, 5 points. We repair the chapter's tool, write a test on the events of LiveKit's own
# test harness, and then find in recorded calls two faults that no such test can see.*
#
# `AgentSession.run(user_input="...")` of LiveKit Agents takes a text and gives events: which tool
# the model called, what the tool returned, what the agent answered. That is quick and needs no key.
# There is no sound in it. Lesson 6 runs it; here its events are plain lists, so that this page
# needs no LiveKit. Fill in what says "Exercise", and run the `check` below it.

# %%
from voxlab import check
from voxlab.text import plain_words

# %% [markdown]
# ## The tool
#
# Fragment 39.1.2a of the chapter looks an order up:
#
#     order = await db.get_order(order_id)
#     if not order:
#         return f"No order found with ID {order_id}."
#         return (f"Order {order_id}: {order.item_count} items, ...")
#
# The second `return` stands inside the `if`: it is never reached, and for every order that **is**
# there the tool returns None. A model that gets None invents an answer.
#
# A second trap: the model wrote down what it heard. `"1 2 3 4 5"`, `"#12345"` and `"12345."` are
# the same order. By hand, for `"# 1 2 3 4 5"`: the digits are `12345`, the order has 3 items and
# costs 86.5, so the tool says `Order 12345: 3 items, total $86.50, status: shipped.`

# %%
ORDERS = {
    "12345": {"item_count": 3, "total": 86.5, "status": "shipped"},
    "30592": {"item_count": 1, "total": 240.0, "status": "delayed"},
}


def lookup_order(orders, order_id):
    """Return a sentence about an order; also about one that is not there.

    orders: mappings with item_count, total and status, by the order's digits.

    >>> lookup_order({}, "no. 7")
    'No order found with ID 7.'
    """
    # Exercise ex06.1 (about 8 lines): keep the digits; one return for a missing order, one for the other
    raise NotImplementedError("Exercise ex06.1: keep the digits; one return for a missing order, one for the other")


# %%
check("ex06.1")

# %% [markdown]
# ## The test
#
# This is what the harness gave for "Where is order 12345?", shortened:

# %%
EVENTS = [
    {"type": "function_call", "name": "lookup_order", "arguments": {"order_id": "12345"}},
    {"type": "function_call_output", "name": "lookup_order", "output": "status: shipped"},
    {"type": "message", "role": "assistant", "text": "Order 1 2 3 4 5 is shipped."},
]

# %% [markdown]
# A useful test says **which** of three things went wrong:
#
# - `"tool"`: the first tool that was called is another one, or there is none;
# - `"arguments"`: the right tool was called first, with other arguments;
# - `"answer"`: no message of the assistant has the wanted word, whatever its capitals.
#
# In the example, `find_faults(EVENTS, "lookup_order", {"order_id": "12345"}, "shipped")` is `[]`.
# With `"check_shipping"` it is `["tool"]`: nothing is said of the arguments of a tool that was
# never meant. `plain_words("Is SHIPPED.")` gives `['is', 'shipped']`.


# %%
def find_faults(events, tool, arguments, word):
    """Return which of "tool", "arguments" and "answer" are wrong, in this order.

    events: of one run of the harness, as above.

    >>> find_faults([], "lookup_order", {}, "shipped")
    ['tool', 'answer']
    """
    # Exercise ex06.2 (about 15 lines): the first call, its arguments, all messages of the assistant
    raise NotImplementedError("Exercise ex06.2: the first call, its arguments, all messages of the assistant")


# %%
check("ex06.2")

# %% [markdown]
# ## What was never heard
#
# Now the same agent on the telephone. The caller breaks in, and the agent stops in mid-sentence.
# LiveKit keeps in its history what it believes was spoken: it counts syllables against the clock.
# In a call of lesson 6 the caller heard *"Your table for 4 people is booked on Friday at 7"*, and
# the history had *"... on Friday at 7 o'clock."*: a word too much. Pipecat keeps whole
# sentences, and of that reply it kept nothing.
#
# **Predict**: which of the two is worse if the next question is "What did you just say?"
#
# A history is wrong from the first word on in which it differs from what was heard. Compare words
# by `plain_words`.


# %%
def never_heard(kept, heard):
    """Return the words of a history that the caller did not hear, from the first difference on.

    >>> never_heard("Booked on Friday at seven.", "Booked on Friday")
    ['at', 'seven']
    """
    # Exercise ex06.3 (about 5 lines): walk along both while they agree
    raise NotImplementedError("Exercise ex06.3: walk along both while they agree")


# %%
check("ex06.3")

# %% [markdown]
# ## Who spoke too early
#
# The harness knows whole turns only. On the telephone an agent must decide when a turn is over, and
# some decide in a pause: they begin to speak while the caller has more to say.
#
# Given are the stretches of speech of both, in seconds. An agent cut in on a turn of the caller if
# it **began** after that turn began and before it ended. By hand: the caller speaks from 1 to 4 s,
# and from 6 to 7 s; the agent from 3.2 to 3.4 s and from 5 to 6.5 s. The first turn was cut into.
# The second was not: there the caller spoke over the agent, which is their right.


# %%
def cut_into(caller, agent):
    """Return the indices of the caller's turns into which the agent began to speak.

    caller, agent: lists of (start_s, end_s).

    >>> cut_into([(1.0, 4.0), (6.0, 7.0)], [(3.2, 3.4), (5.0, 6.5)])
    [0]
    """
    # Exercise ex06.4 (about 5 lines): an agent's start strictly within a turn
    raise NotImplementedError("Exercise ex06.4: an agent's start strictly within a turn")


# %%
check("ex06.4")

# %% [markdown]
# ## Takeaways
#
# 1. A tool returns a sentence in every case. None makes a model invent.
# 2. A test on text is quick and says which of tool, arguments and answer is wrong. Keep it.
# 3. It hears nothing: what was spoken, when, and over whom needs a call with sound.
#
# Which other faults of the call in lesson 6 would `find_faults` never see? Name two.
