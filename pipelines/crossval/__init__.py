"""Cross-validation: every image outside the test part is held out once, and judged by a network that never saw it.

    folds.make_folds -> a run folder per fold (fold.run_fold) -> results.summarize -> figures and tables

`running.run_crossval` does all of it, one fold after the other or in processes.
"""
