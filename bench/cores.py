"""Which core runs what: the program under test must not share its core with anything else of ours."""

PROGRAM_CORE = "0"
LOAD_CORE = "1"
