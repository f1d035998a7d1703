"""MiddleOut: messages between threads, so that a thread's latent tells of its region.

Where the network has this part, it first gives every lane a latent of its own past. A message passes along every lean
(see `peers`) between two lanes that lie side by side. The network makes a region latent of

    my latent, their latent, metric (0..255), their innovation of this very step (256 to one spread; see `adapt`)

and a lane's region is the average of what its messages came to, rounded down; without messages it is exactly zero. Then

    latent' = latent + region    with a residual connection, clipped to INPUT_LIMIT;    latent' = region    without

is what the network's last part predicts from. Waves take turns, since their innovations must be known.

Source: message passing between neighbours, J. Gilmer et al., "Neural message passing for quantum chemistry", ICML 2017.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..topology.references import MAX_REFERENCES, ReferenceTable
from .gain import INPUT_LIMIT
from .kernel import kernel
from .lanes import Lanes

EXTRA_ROWS = 2
"""Rows of a message beside the two latents: metric and innovation."""


@dataclass(frozen=True, eq=False)
class Messages:
    """The messages of every step among a group of lanes: arrays of shape (messages,), ordered by `receiver`."""

    receiver: np.ndarray
    """Lane, int64."""
    sender: np.ndarray
    """Lane, int64."""
    metric: np.ndarray
    """float32, 0..255."""
    share: np.ndarray
    """How many messages each lane receives: int64 of shape (lanes,)."""

    @classmethod
    def along(cls, lanes: Lanes, peers: ReferenceTable, n_peers: int) -> Messages:
        """Along the first `n_peers` leans of every thread."""
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
    """Fill `messages`, float32 of shape (2 * rows + 2, n), with those from `first` on.

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
    """Fill `joined`, float32 of shape (rows, n), with the latents' of the lanes from `first_lane` on.

    `region`, float32 of shape (rows, messages), is what the network made of the messages from `first` on.
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
