"""MiddleOut: message passing between channels, which adds information on a channel's region to its latent.

A network with this part first computes a latent of each lane from the lane's own past. For each reference of a channel,
each of its lanes then receives a message from the referenced channel's lane of the same time. The network computes a
region latent from

    own latent, sender's latent, metric (0..255), sender's normalised error of this step: the difference less that which
    the network expects, in 1/UNIT of the network's scale (see `residual_log`), clipped to ERROR_LIMIT

The region of a lane is the mean of the region latents of its messages, rounded down; it is zero without messages. The
network's last part predicts from

    latent + region    clipped to INPUT_LIMIT, with a residual connection
    region             without one

Coding passes are evaluated one after another, since the normalised errors of earlier ones have to be known.

References
----------
J. Gilmer et al., "Neural message passing for quantum chemistry", ICML 2017.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..topology.references import ReferenceTable
from . import _core
from .lanes import Lanes

EXTRA_ROWS = 2
"""Rows of a message in addition to the two latents: metric and normalised error."""

ERROR_LIMIT = 1023
"""Largest magnitude of the normalised error in a message."""


class Messages(NamedTuple):
    """Messages of every step among a group of lanes: arrays of shape (messages,), ordered by `receiver`."""

    receiver: np.ndarray
    """Lane, int64."""
    sender: np.ndarray
    """Lane, int64."""
    metric: np.ndarray
    """float32, 0..255."""
    share: np.ndarray
    """Number of messages that each lane receives, int64 of shape (lanes,)."""

    @classmethod
    def along(cls, lanes: Lanes, peers: ReferenceTable, n_peers: int) -> Messages:
        """Return the messages along the first `n_peers` references of each channel."""
        first = lanes.first_of_channels()
        share = np.zeros(lanes.count, dtype=np.int64)
        receiver, sender, metric = [], [], []
        for channel in range(lanes.n_channels):
            for k in range(n_peers):
                other = peers.references[channel, k]
                if other >= 0:
                    own = np.arange(first[channel], first[channel + 1])
                    share[own] += 1
                    receiver.append(own)
                    sender.append(own - first[channel] + first[other])
                    metric.append(np.full(own.size, peers.metrics[channel, k], dtype=np.float32))
        if not receiver:
            none = np.zeros(0, dtype=np.int64)
            return cls(none, none, none.astype(np.float32), share)
        return cls(np.concatenate(receiver), np.concatenate(sender), np.concatenate(metric), share)


def gather_messages(
    messages: Messages, first: int, stop: int, latent: np.ndarray, normalised_error: np.ndarray
) -> np.ndarray:
    """Return the messages `first` to `stop` - 1 as the network takes them.

    Parameters
    ----------
    messages : Messages
    first, stop : int
    latent : float32 array of shape (rows, lanes)
    normalised_error : int32 array of shape (lanes,)

    Returns
    -------
    float32 array of shape (2 * rows + EXTRA_ROWS, stop - first)
    """
    rows = np.empty((2 * len(latent) + EXTRA_ROWS, stop - first), dtype=np.float32)
    receiver, sender = messages.receiver[first:stop], messages.sender[first:stop]
    _core.gather_messages(receiver, sender, messages.metric[first:stop], latent, normalised_error, rows)
    return rows


def join_regions(
    messages: Messages,
    first: int,
    stop: int,
    lanes: range,
    region: np.ndarray,
    latent: np.ndarray,
    is_residual: bool,
) -> np.ndarray:
    """Return the latents of some lanes, joined with what the network made of their messages.

    Parameters
    ----------
    messages : Messages
    first, stop : int
        The messages that these lanes receive.
    lanes : range
    region : float32 array of shape (rows, stop - first)
        Region latents of these messages.
    latent : float32 array of shape (rows, lanes)
        Latents of all lanes.
    is_residual : bool
        Whether a region is added to the latent.

    Returns
    -------
    float32 array of shape (rows, len(lanes))
    """
    joined = np.empty((len(latent), len(lanes)), dtype=np.float32)
    receiver = messages.receiver[first:stop]
    _core.join_regions(lanes.start, receiver, messages.share, region, latent, is_residual, joined)
    return joined
