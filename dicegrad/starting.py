"""What a job does before it loads its libraries, which takes a second: importing this does it.

An interrupt ends the job without a word, since nothing is left behind yet. And there is no garbage
in a library that is being loaded; to look for it takes a tenth of the time. `dicegrad.logs.job`
takes over from there.
"""

import gc

from dicegrad.interrupts import end_at_interrupts

end_at_interrupts()
gc.disable()
