"""Studies: tables of variants and seeds, each cell trained and tested, by a command that may be stopped any time."""
