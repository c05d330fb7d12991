"""The words of verdicts: constants that only people read, so that changing one makes nothing stale."""

REASONS = {
    "budget": "The budget ended before the pairs had decided.",
    "horizon": "The test is over: this many pairs cannot tell, and more would break its promise.",
    "interference": "Taking turns changes one arm more than the other, by more than the margin.",
    "modes": "Starts jump between levels, and not every pair of levels supports the same verdict.",
    "error_budget": "The pairs would decide but for the error budgets of both sides.",
    "sessions": "Two devices need at least three sessions each on at least two days.",
    "days": "Two devices need sessions on at least two days.",
    "width": "The sessions so far neither show a difference nor exclude one.",
}
REMEDIES = {  # where no number of further pairs would probably decide
    "budget": "Further pairs would probably not decide: ask for a larger margin, or measure on a quieter machine.",
    "horizon": "Ask for a larger margin, or measure on a quieter machine.",
}
INTERLEAVING = {
    "blocks": "both processes live and taking turns block by block",
    "processes": "one process after the other",
}
