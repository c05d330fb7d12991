"""The words of verdicts: constants that only people read, so that changing one makes nothing stale."""

REASONS = {
    "budget": "The budget ended before the pairs had decided.",
    "horizon": "The test is over: this many pairs cannot tell, and more would break its promise.",
    "interference": "Taking turns changes one arm more than the other, by more than the margin.",
    "modes": "Starts jump between levels, and not every pair of levels supports the same verdict.",
    "error_budget": "The pairs would decide but for the error budgets of both sides.",
    "sessions": "Two devices need at least three sessions each on at least two days.",
    "days": "Two devices need sessions on at least two days.",
    "alike": "The builds are alike, and so few cannot exclude a tactic that none of them has drawn.",
    "builds": "The builds so far neither show a difference nor exclude one that a tactic not drawn yet could make.",
    "unmeasured": "The budget of seconds ended before all builds were measured.",
    "width": "The sessions so far neither show a difference nor exclude one.",
}
REMEDIES = {  # where no number of further pairs would probably decide
    "budget": "Further pairs would probably not decide: ask for a larger margin, or measure on a quieter machine.",
    "horizon": "Ask for a larger margin, or measure on a quieter machine.",
    "alike": "Raise `builds` of the preset and run `snakemake` again; what was built and measured is kept.",
    "builds": "Raise `builds` of the preset and run `snakemake` again; what was built and measured is kept.",
    "unmeasured": "Raise `seconds` of the comparison and run `snakemake` again; what was measured is kept.",
}
INTERLEAVING = {
    "blocks": "both processes live and taking turns block by block",
    "processes": "one process after the other",
}
