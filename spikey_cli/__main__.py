"""`python -m spikey_cli` is the command `spikey`."""

from .cli import main

main(prog_name="spikey")
