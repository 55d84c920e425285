"""
Open sets of PhysioNet, fetched and turned into trees this project reads.

`sets` lists them with licence and citation, `download` brings files whole
and verified, `signals` reads WFDB recordings, `trees` writes EDF and CSV.
"""
