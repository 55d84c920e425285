"""Reading of EDF, EDF+ and BDF: header, samples, gaps and annotation lists."""
