"""What single precision holds, in which networks and losses compute."""

# From here to there a number is told from 0 and from infinity.
SMALLEST, LARGEST = 1e-37, 1e37
