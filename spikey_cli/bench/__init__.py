"""`spikey bench`: Spikey and other codecs over the same files in the same run.

contest      prepares the files, lets all entrants take turns, and compares what comes back
commands     other codecs that are programs        libraries    other codecs that are Python packages
row          what was measured of one of them      plot         all of it as a picture
"""
