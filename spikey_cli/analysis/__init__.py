"""What recordings are made of: the threads' graph and the statistics that the codec's design rests on.

    survey.py       files -> sources, their threads and topology
    sessions.py     the threads' graph as JSON data and as text
    excerpt.py      what is read of each thread, and what the codec's own walk tells of it
    density.py      how often each code occurs, and the converter's pattern in that
    entropy.py      what codes cost without a predictor
    spectrum.py     power against frequency
    whiteness.py    what the innovations still have in common with those before, and with other threads
    study.py        all measurements of some recordings
    report.py       them in words, as text and as HTML
    drawing.py      pictures by Matplotlib; the threads' graph
    figures.py      the report's other pictures

Nothing of the codec imports this package.
"""
