"""Trained configurations side by side: `python benchmarks/configurations.py CARD.json...` prints a table of cards.

`spikey train` writes a card beside each model. Bits and ratios are of the split that was only measured on, by the real
coder, all bytes of the archive counted.
"""

from __future__ import annotations

import json
from pathlib import Path

import click


def row(card: dict) -> tuple[float, str]:  # type: ignore[type-arg]
    """Bits/sample by the range coder, and a line of the table."""
    measured = {entry["coder"]: entry for entry in card["val"]}
    best = measured["range"]
    name = card["model"].rsplit("-", 1)[0]
    line = (
        f"| {name} | {card['config'].get('about', '')} | {card['multiply_adds_per_sample']:,} | "
        f"{measured['rice']['bits_per_sample']:.4f} | {best['bits_per_sample']:.4f} | {best['ratio']:.4f} |"
    )
    return best["bits_per_sample"], line


@click.command()
@click.argument("cards", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def main(cards: tuple[Path, ...]) -> None:
    """Print a table of CARDS, the best first; they must be of equal budgets."""
    found = [json.loads(card.read_text(encoding="utf-8")) for card in cards]
    budgets = {(card["config"]["training"]["steps"], card["config"]["training"]["batch"]) for card in found}
    if len(budgets) != 1:
        raise click.ClickException(f"these were trained for different budgets (steps, batch): {sorted(budgets)}")
    ((steps, batch),) = budgets
    click.echo(f"{steps:,} steps of {batch:,} samples each.\n")
    click.echo("| configuration | what it shows | multiply-adds a sample | rice, bits/sample | range | ratio |")
    click.echo("|---|---|---|---|---|---|")
    for _, line in sorted(row(card) for card in found):
        click.echo(line)


if __name__ == "__main__":
    main()
