"""Live streams: frames as they come, of all threads at once, in packets that wait for nothing.

pipe.py         a WAV or raw samples on one end of a pipe, a live stream on the other
encoder.py      frames -> packets                          decoder.py      packets -> frames
lockstep.py     all threads step by step, one lane each; the same for both directions
packets.py      what stands in a header and in a packet
"""
