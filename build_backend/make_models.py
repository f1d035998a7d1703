"""Write the shipped models that are chains as C: `python build_backend/make_models.py > spikey_cli/core/c/models.c`."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from spikey_cli.model.predictor import read_model
from spikey_cli.model.zoo import DEFAULT_MODEL, shipped_models

HEAD = """/* The models that come with Spikey and are chains of layers. Made by build_backend/make_models.py. */

#include <math.h>
#include <string.h>

#include "archive.h"
"""
TAIL = """
const spikey_model *spikey_model_of(const uint8_t digest[8]) {{
    static const spikey_model models[] = {{
{models}
    }};
    if (!digest) return &models[{default}];
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (!memcmp(models[i].digest, digest, 8)) return &models[i];
    return 0;
}}
"""


def _table(ctype: str, name: str, numbers: Iterable[str]) -> str:
    rows = textwrap.fill(", ".join(numbers), 118, initial_indent="    ", subsequent_indent="    ")
    return f"\nstatic const {ctype} {name}[] = {{\n{rows}}};\n"


def _real(number: float) -> str:
    if number in (float("inf"), float("-inf")):
        return "INFINITY" if number > 0 else "-INFINITY"
    return f"{number.hex()}f"


def source() -> str:
    """Return the C source."""
    tables, models, default = [], [], 0
    for name, path in sorted(shipped_models().items()):
        model = read_model(path)
        if model.chain is None:
            continue
        chain, prefix = model.chain, name.upper().replace("-", "_")
        edges = model.profile.edges.tolist() if model.profile else [0]
        tables += [
            _table("int64_t", f"{prefix}_SIZE", map(str, chain.size.reshape(-1).tolist())),
            _table("uint8_t", f"{prefix}_FLOORED", (str(int(each)) for each in chain.floored)),
            _table("int32_t", f"{prefix}_EDGES", map(str, edges)),
            *(
                _table("float", f"{prefix}_{field.upper()}", map(_real, getattr(chain, field).tolist()))
                for field in ("weight", "bias", "low", "high")
            ),
        ]
        default = len(models) if name == DEFAULT_MODEL else default
        digest = ", ".join(f"0x{byte:02x}" for byte in model.digest[:8])
        models.append(
            f"        {{.digest = {{{digest}}}, .n_layers = {len(chain.size)}, .window = {model.window},\n"
            f"         .size = {prefix}_SIZE, .floored = {prefix}_FLOORED, .edges = {prefix}_EDGES,\n"
            f"         .n_edges = {len(edges) if model.profile else 0}, .weight = {prefix}_WEIGHT,\n"
            f"         .n_weight = {chain.weight.size}, .bias = {prefix}_BIAS, .n_bias = {chain.bias.size},\n"
            f"         .low = {prefix}_LOW, .high = {prefix}_HIGH}},"
        )
    return HEAD + "".join(tables) + TAIL.format(models="\n".join(models), default=default)


if __name__ == "__main__":
    sys.stdout.write(source())
