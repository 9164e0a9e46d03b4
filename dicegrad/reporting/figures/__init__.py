"""Figures of a study, each written as PNG and SVG.

Matplotlib, and seaborn where it is needed, are imported inside the functions: together they take
two seconds, which a script that draws nothing should not wait for.
"""
