"""Measure Spikey and other codecs on the same files in the same run.

Imports `analysis` (for its plots) and below.

    comparison.py   runs all codecs in turn and compares what they restore
    programs.py     other codecs that are programs
    packages.py     other codecs that are Python packages
    clock.py        processor time
    row.py          the measurements of one codec
    report.py       a whole benchmark: its codecs and its results, as text and as JSON data
    plot.py         the results as a plot
    machine.py      the machine that they were measured on
"""
