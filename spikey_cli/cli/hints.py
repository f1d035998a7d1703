"""What to write instead of commands and options that other programs have, or that are mistyped."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence

_LEVEL = re.compile(r"-[0-9]+|--(?:compression-)?level|--clevel|--preset|--ultra|--max|--complevel")
_LEVELS = "the presets of `spikey compress` are -1 (--fast), the default, and -9 (--best)"
_OPTIONS = {
    "`spikey decompress ARCHIVE [DIR]` restores files": ("-d", "-x", "--decompress", "--uncompress", "--decode", "-e"),
    "`spikey test ARCHIVE` checks an archive": ("-t", "--test", "--verify", "--check"),
    "`spikey list ARCHIVE` lists an archive": ("-l", "--list"),
    "`-` stands for stdin and stdout": ("-c", "--stdout", "--to-stdout", "--stdin"),
    "the output is the last argument": ("-o", "--out", "--output", "--output-name"),
    "inputs are kept unless `spikey compress` has --remove-source": ("-k", "--keep", "--rm", "--delete"),
    "--threads sets the number of processors": ("-T", "-j", "--jobs", "--n-jobs", "--workers", "--cores"),
    "`spikey --version` prints the version": ("-V",),
    "give the range as --start and --stop": ("--end", "--from", "--to", "--duration", "--range"),
    "--rate sets the sample rate of files that do not state one": ("--sample-rate", "--fs", "--sampling-rate"),
}
_COMMANDS = {
    "compress": ("c", "encode", "pack", "zip", "archive", "create", "add"),
    "decompress": ("d", "x", "decode", "unpack", "unzip", "uncompress", "restore"),
    "diff": ("compare", "cmp"),
    "extract": ("cat", "read", "cut", "slice", "export", "get"),
    "list": ("l", "ls", "show"),
    "plot": ("draw", "view"),
    "test": ("t", "verify", "check", "validate"),
    "bench": ("benchmark",),
}


def hint_for_option(option: str) -> str:
    """What an option that a command does not have would be; empty if that is not known."""
    if _LEVEL.fullmatch(option):
        return _LEVELS
    return next((hint for hint, options in _OPTIONS.items() if option in options), "")


def hint_for_command(word: str, commands: Sequence[str]) -> str:
    """What a word that is no command was meant to be."""
    if os.path.exists(word):
        if word.endswith((".spk", ".spks")):
            return f"it is an archive: `spikey decompress {word}` restores its files"
        recursive, kind = ("-r ", "folder") if os.path.isdir(word) else ("", "file")
        return f"it is a {kind}: `spikey compress {recursive}{word} OUT.spk`"
    name = next((name for name, words in _COMMANDS.items() if word.lower() in words), None)
    nearest = [name] if name else difflib.get_close_matches(word.lower(), commands, n=1)
    return f"did you mean `spikey {nearest[0]}`?" if nearest else "`spikey -h` lists the commands"
