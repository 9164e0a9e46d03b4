"""The Dice loss, its derivative, and what they do to missing and empty labels."""
