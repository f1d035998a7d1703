"""The format's integer arithmetic in plain Python: the specification that tests compare `core` with, bit for bit.

The modules follow docs/format.md. Each function is the formula of its section, on Python integers, one sample at a time
and in both directions; nothing here is fast. The package imports only the standard library and itself, and only tests
import it.

    arithmetic      Conventions: bits, uvarint, zigzag, clip, powers of two with fractional exponents
    quantizer       Directory, Quantizer
    packed          Block, method 0
    lanes           Coded streams, Lanes; Lane headers
    gain            the gain of a lane, its factors F and G; in a live stream, the gain that follows the signal
    bins            Bins and values
    ranks           Ranks
    rice            Coder 1
    interval        Coder 2: the range coder's interval
    density         Coder 2, Density
    range           Coder 2: symbols of small and large quantizers
    huffman         Coder 3
    adaptation      Prediction, Adaptation
    network         Prediction, The network
    coding          Prediction, Window: steps and passes that join all of these; archives and live streams
"""
