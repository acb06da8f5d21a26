"""Chat: sentences to verbs, and back. It knows rules, not guesses, and reaches nothing that its caller may not reach.

`intents.py` says what a message asks for (pure), `answers.py` does it with the same verbs as every other route.
"""
