"""Adaptation: a linear predictor per channel that corrects the network while coding.

The network is frozen and sees one lane's window. What it misses of a channel (its level, its own spectrum, the noise
that it shares with its peers) is in its errors. A few weights per channel adapt to these errors, in the decoder as in
the encoder, so nothing is sent for them.

    normalised error    z = (value - network mean) / network scale, of each sample
    correction          p = sum of weight * tap, added to the network mean, in units of the network scale; the taps are

        DC term             (last value - slow mean of the lane) / 2 network scales
        own errors          z of the OWN_LAGS steps before
        references' errors  z of this step and of the PEER_LAGS - 1 steps before, of each channel that this one
                            references: those are in earlier coding passes, so their step is known

    update              weight += step size * sum over the channel's lanes of (z - p) * tap     (least mean squares);
                        the step size decays from step to step down to a constant
    scale               shifted by a quarter of log2 of the slow mean of (z - p)**2, for each lane
    gain                stored in an archive. In a live stream, which cannot know it in advance, it follows the slow
                        mean of the lane's squared differences and is set again every GAIN_INTERVAL steps

z, taps and p are integers, in 1/UNIT of the network scale, clipped to LIMIT; weights have WEIGHT_BITS fractional bits.

References
----------
B. Widrow, M. E. Hoff, "Adaptive switching circuits", IRE WESCON 1960.
C. Darken, J. Moody, "Towards faster stochastic gradient search", NIPS 4, 1991 (step sizes that decay with 1/t).
"""

from __future__ import annotations

OWN_LAGS = 4
PEER_LAGS = 3

UNIT = 256
LIMIT = 4 * UNIT - 1
