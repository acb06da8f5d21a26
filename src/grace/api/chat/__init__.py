"""Chat: sentences to verbs, and back. It knows rules, not guesses, and reaches nothing that its caller may not reach.

`sentences.py` says what a message asks for (pure), `answers.py` does it with the same verbs as every other route. What
cannot be read is asked back or refused: no other thing is acted on in its place.
"""
