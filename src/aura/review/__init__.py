"""
The review page: predictions and annotations of a run, on the ECG.

`worklist` finds the recordings of a run; `marks` compares annotations and
alarms; `tiles` and `trends` give the data of a screen; `reasons` explains an
alarm. `audit_trail` keeps decisions; `exports` writes them as
TSV and EDF+. `service` puts these together. `app` and `guard` serve the page,
`document` writes it as one file; `script` is the code of both.

The run is only read.
"""
