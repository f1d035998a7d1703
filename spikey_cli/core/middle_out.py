"""MiddleOut: message passing between channels, which adds information on a channel's region to its latent.

A network with this part first computes a latent of each lane from the lane's own past. For each reference of a channel,
each of its lanes then receives a message from the referenced channel's lane of the same time. The network computes a
region latent from

    own latent, sender's latent, metric (0..255), sender's normalised error of this step (UNIT to one network scale;
    see `adaptation`)

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

from dataclasses import dataclass

import numpy as np

from ..topology.references import MAX_REFERENCES, ReferenceTable
from .gain import INPUT_LIMIT
from .kernel import kernel
from .lanes import Lanes

EXTRA_ROWS = 2
"""Rows of a message in addition to the two latents: metric and normalised error."""


@dataclass(frozen=True, eq=False)
class Messages:
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
            for k in range(min(n_peers, MAX_REFERENCES)):
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


@kernel
def gather_messages(first, receiver, sender, metric, latent, normalised_error, messages):
    """Fill `messages`, float32 of shape (2 * rows + EXTRA_ROWS, n), with the messages from `first` on.

    `latent` is float32 of shape (rows, lanes), `normalised_error` int32 of shape (lanes,).
    """
    rows = latent.shape[0]
    for row in range(rows):
        for i in range(messages.shape[1]):
            messages[row, i] = latent[row, receiver[first + i]]
            messages[rows + row, i] = latent[row, sender[first + i]]
    for i in range(messages.shape[1]):
        messages[2 * rows, i] = metric[first + i]
        messages[2 * rows + 1, i] = normalised_error[sender[first + i]]


@kernel
def join_regions(first_lane, first, receiver, share, region, latent, residual, joined):
    """Fill `joined`, float32 of shape (rows, n), with the joined latents of the lanes from `first_lane` on.

    `region`, float32 of shape (rows, messages), holds the region latents of the messages from `first` on.
    """
    for row in range(joined.shape[0]):
        for i in range(joined.shape[1]):
            joined[row, i] = 0
        for i in range(region.shape[1]):
            joined[row, receiver[first + i] - first_lane] += region[row, i]
        for i in range(joined.shape[1]):
            lane = first_lane + i
            average = np.int64(joined[row, i]) // max(share[lane], 1)
            if residual:
                average += np.int64(latent[row, lane])
            joined[row, i] = min(max(average, -INPUT_LIMIT), INPUT_LIMIT)
