"""
What recordings and annotations look like in files, one module per format.

`table` lists the formats of annotations, what each can carry, and by which
rule they are told apart; `annotation` is what all of them are read into, and
`words` which words mean a seizure. `tse`, `tuh_csv`, `bids`, `seizure_times`
and `wfdb_marks` read and write; `edf_plus` writes a copy of a recording with
annotations inside. `beat_series` reads recordings that are only beats,
`names` knows which files belong together, `two_forms` finds a recording that
is there twice, and `conversion` turns trees of one format into another.
"""
