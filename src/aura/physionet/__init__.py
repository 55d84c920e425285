"""Open sets of PhysioNet, downloaded and written as EDF and CSV."""
