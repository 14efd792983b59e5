"""ASGI middleware; ``api.app.create_app`` lists it in the order in which requests pass it."""
