"""The topology of recordings as JSON data and as text: sessions, their channels, coding passes and references."""

from __future__ import annotations

from .survey import Survey

_ONE_LINE = 2
"""Largest session that takes one line of text; a larger one takes a line for each channel."""


def describe_sessions(survey: Survey) -> dict[str, object]:
    """The topology as JSON data.

    Returns
    -------
    dict
        "files" and "channels" are counts. "sessions" lists the channels of each session: name, file, channel (index
        within the file), coding_pass, references to channels of earlier passes with name and metric (0 to 255),
        later_references (names of channels of the same or of later passes), long_lag (in samples, or null) and order
        (how many of its own last differences predict it).
        "skipped" has a message for each file without samples that can be predicted.
    """
    channels, topology = survey.channels, survey.topology
    return {
        "files": len(survey.sources),
        "channels": len(channels),
        "sessions": [
            [
                {
                    "name": channels[i].name,
                    "file": str(survey.sources[channels[i].file].source),
                    "channel": channels[i].channel,
                    "coding_pass": topology.passes[i],
                    "references": [
                        {"name": channels[one.channel].name, "metric": one.metric} for one in topology.earlier[i]
                    ],
                    "later_references": [channels[other].name for other in topology.later[i]],
                    "long_lag": topology.lags[i] or None,
                    "order": topology.orders[i],
                }
                for i in session
            ]
            for session in topology.sessions()
        ],
        "skipped": list(survey.skipped),
    }


def summarise_sessions(description: dict) -> list[str]:
    """A result of `describe_sessions` as lines of text."""
    sessions = description["sessions"]
    joint = sum(len(session) > 1 for session in sessions)
    lines = [
        f"channels: {description['channels']}, files: {description['files']}, "
        f"sessions of several channels: {joint}, independent channels: {len(sessions) - joint}",
        "channel, coding pass: references with metric 0 to 255 (255 is nearest), later references",
    ]
    for number, session in enumerate(sessions, 1):
        described = [
            f"{channel['name']}, pass {channel['coding_pass']}: " + (", ".join(_references(channel)) or "independent")
            for channel in session
        ]
        if len(session) <= _ONE_LINE:
            lines.append(f"session {number}  " + "; ".join(described))
        else:
            lines += [f"session {number}  {len(session)} channels", *(f"    {line}" for line in described)]
    return lines


def _references(channel: dict) -> list[str]:
    earlier = [f"{reference['name']} at {reference['metric']}" for reference in channel["references"]]
    return earlier + [f"later {name}" for name in channel["later_references"]]
