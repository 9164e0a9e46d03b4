"""One fault at a random moment of a small study: is what comes of it right, or told in one line?

    python -m tests.faults 200 --seed 0

runs a study of one network once without a fault, and then again and again with one: a signal, a
full or read-only disk, a file that is lost, cut or changed, a second run, a date of the future, a
limit on memory, a lost or foreign checkpoint. After each, one of two things must be so: the results
have the hashes of the undisturbed study; or a line on the screen says what is wrong, and once what
it advises is done, the same command gives the same hashes. Never a traceback or an endless wait.
"""
