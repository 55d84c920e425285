"""
The review page: predictions and annotations of a run, on the ECG.

`cases` finds the recordings of a run, `waveform` and `trends` give their
data in pieces that a screen can show, `verdicts` says what agrees, `reasons`
why an alarm was raised. `journal` keeps what a reviewer decides; `exports`
and `edfplus` write it as TSV and EDF+. `server` and `guard` serve the page,
`document` makes one file of it; `script` is what runs in both.

Inputs and results of the run are only read.
"""
