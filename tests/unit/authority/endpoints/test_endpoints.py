"""The tuple of endpoints that the application reads."""

import pkgutil
from importlib import import_module

from deputize.authority import endpoints, my
from deputize.authority.endpoint import Endpoint
from deputize.authority.endpoints import ENDPOINTS


def test_every_endpoint_that_a_file_defines_is_served_once():
    modules = [
        import_module(f"{endpoints.__name__}.{found.name}")
        for found in pkgutil.iter_modules(endpoints.__path__)
    ]
    modules.append(my)
    defined = [value for module in modules for value in vars(module).values() if isinstance(value, Endpoint)]
    assert sorted(each.paths for each in defined) == sorted(each.paths for each in ENDPOINTS)
    paths = [path for each in ENDPOINTS for path in each.paths]
    assert len(set(paths)) == len(paths)
