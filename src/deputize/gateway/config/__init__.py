"""From files to typed configuration: what may be written, and what it means before anything is built.

`documents` reads JSON, `properties` replaces tokens, `settings` validates what one object or file may hold,
`file_settings` says what `admin.json`, `config.json` and route files may hold, `files` does all of it in
order.
"""
