"""Statistics of recordings: who was recorded together, how well samples can be predicted, and plots of both.

Imports `api` and below; nothing below imports it.

    survey.py         files -> scanned sources, their channels and topology
    sessions.py       the topology as JSON data and as text
    excerpt.py        the samples that are analysed, and what the codec predicts of them
    density.py        code counts, and the converter's bin widths that show in them
    entropy.py        entropies without a predictor
    parts.py          what each part of the codec gives, measured on an excerpt
    spectrum.py       power spectral density
    whiteness.py      autocorrelation of the prediction errors, and their correlation between channels
    study.py          all statistics of some recordings
    report.py         the statistics in words, as text and as HTML
    report_plots.py   the report's plots
    topology_plot.py  the plot of the topology
    traces.py         samples of an archive, reduced to what a plot can show
    traces_plot.py    their plot
    plotting.py       Matplotlib figures without a window
"""
