"""Restraint: what holds GRACE back although the policy would let it act.

Cool-down, flapping, breaker and pace are pure functions of what is on the record and of the time, a file each;
`history.py` reads what they need, `restraints.py` asks them. They live in governance because each answers "may it be
done now?", and because a breaker that were a part of healing could be gone round by another way to act. Nothing is kept
beside the ledger and its read models: a restart, a rebuild or a copy of the record finds the same restraint.
"""
