"""The routers, a file per noun: each reads the read models or calls one verb of the house."""
