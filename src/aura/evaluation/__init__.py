"""
Detectors side by side, each scored on people it has never seen.

Everything that is learnt or chosen comes from the training folds alone.
`case` has what is scored, `detectors` the rows of the table, `candidates`
the variants that can be added, `nested` the folds and the scoring. `measures`
and `chance` say how good the result is. `results`, `markdown` and `pictures`
show it; only `pictures` needs matplotlib.
"""
