"""Which core does what: the program under test must not share its own with anything of ours."""

PROGRAM_CORE = "0"
LOAD_CORE = "1"
