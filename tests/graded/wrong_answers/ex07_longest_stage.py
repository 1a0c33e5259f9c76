"""Rejected by test_the_stage_at_work_when_time_runs_out_breaks_the_budget: it names the longest."""


def broken_by(stages, target_s):
    # BEGIN SOLUTION ex07.4: who takes most?
    if sum(seconds for _, seconds in stages) <= target_s:
        return None
    return max(stages, key=lambda stage: stage[1])[0]
    # END SOLUTION ex07.4
