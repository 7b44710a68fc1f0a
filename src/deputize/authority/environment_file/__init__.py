"""Environment files.

What an administrator wants an environment to be, in YAML, checked as a whole and applied as a whole.
"""

from deputize.authority.environment_file.application import Application, Applied, apply
from deputize.authority.environment_file.outcome import DEFAULT_BASE_URL
from deputize.authority.environment_file.problems import EnvironmentFileInvalid

__all__ = ("DEFAULT_BASE_URL", "Application", "Applied", "EnvironmentFileInvalid", "apply")
