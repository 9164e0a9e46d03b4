"""Which loss do I need: identify a loss, audit labels, and measure the push on each kind of map."""
