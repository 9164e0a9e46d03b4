"""Damaged and hostile files for every reader: nothing but the project's own errors may come out.

    python -m tests.fuzz 600 --seed 0

writes one good file for each reader, changes it at random, and reads it, for so many seconds. A
process of its own reads it, which is started again when a file has ended it.
"""
