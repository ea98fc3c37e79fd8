"""Studies: tables of variants and seeds, each cell trained and tested, by one command that may be stopped at any time."""
