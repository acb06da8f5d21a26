"""The HTTP face: one FastAPI router per noun, authentication, problem documents.

Routers translate; the wings decide. `application.create_app` makes the application from a `house.House`.
"""
