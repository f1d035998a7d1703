"""The threads' graph in words: sessions, their threads, waves and peers."""

from __future__ import annotations

from .survey import Survey

_ONE_LINE = 2  # a session of more threads takes a line for each


def describe_sessions(found: Survey) -> dict[str, object]:
    """The graph as JSON data: `spikey topology --json` prints it.

    Keys: files, threads, sessions (a list of lists of threads: name, file, channel, wave, peers with name and metric
    0..255), skipped (lines on files that the codec does not predict).
    """
    channels, topology = found.channels, found.topology
    return {
        "files": len(found.sources),
        "channels": len(channels),
        "sessions": [
            [
                {
                    "name": channels[i].name,
                    "file": str(found.sources[channels[i].file].source),
                    "channel": channels[i].channel,
                    "coding_pass": topology.passes[i],
                    "peers": [{"name": channels[p.channel].name, "metric": p.metric} for p in topology.peers[i]],
                }
                for i in session
            ]
            for session in topology.sessions()
        ],
        "skipped": list(found.skipped),
    }


def summarise_sessions(description: dict) -> str:  # type: ignore[type-arg]
    """A description as lines for people: one a session of one or two threads, else one a thread."""
    sessions = description["sessions"]
    joined = sum(len(session) > 1 for session in sessions)
    lines = [
        f"{description['threads']} threads of {description['files']} files: {joined} sessions of several threads, "
        f"{len(sessions) - joined} threads alone",
        "thread, wave w: peers at metric 0..255 (255 is nearest)",
    ]
    for number, session in enumerate(sessions, 1):
        told = [
            f"{channel['name']}, wave {channel['wave']}: "
            + (", ".join(f"{peer['name']} at {peer['metric']}" for peer in channel["peers"]) or "alone")
            for channel in session
        ]
        if len(session) <= _ONE_LINE:
            lines.append(f"session {number}  " + "; ".join(told))
        else:
            lines += [f"session {number}  {len(session)} threads", *(f"    {line}" for line in told)]
    return "\n".join(lines)
