"""
Honest evaluation of detectors, side by side.

Everything that is learnt or chosen stays inside the training folds; every
person is scored by what has never seen them. `cases` are what is scored,
`detectors` the rows of the table, `candidates` and `negatives` what is tried
besides, `folds` who is held out when, `nested` the
work itself; `measures`, `curves`, `chance` and `self_tests` say what it is
worth, `report` and `sheet` put it into JSON and Markdown. Only `plots` needs
matplotlib.
"""
