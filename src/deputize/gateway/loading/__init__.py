"""From typed configuration to live objects.

The way of a route file: `route_set` finds it, `routes` reads it (`config.files`) and builds its `heap`, whose
objects each get a `context` and are decorated by `decorators`; what they register is a `deployment`, which
`route_set` publishes and starts once nothing clashes. `instance` does the same for `admin.json` and
`config.json`, `names` checks what expressions read, `advice` warns about frequent mistakes.
"""
