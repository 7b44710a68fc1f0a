import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("program", "language"), [("deputize.gateway.app", "mapping"), ("deputize.authority.app", "gateway")]
)
def test_a_program_loads_the_language_it_speaks_only(program, language):
    prefix = "deputize.expressions."
    code = f"import sys, {program}; print([name for name in sys.modules if name.startswith('{prefix}')])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert f"deputize.expressions.{language}" not in done.stdout
    assert "deputize.expressions.compiler" in done.stdout
