"""The HTTP and WebSocket face: one FastAPI router per noun, authentication, problem documents.

Routers translate; the wings decide.
"""
